// The sections of the page and their controls.

const N_CHAINS = 10;
const BUDGET_MS = 12, MOST_MS = 40;  // of computing in one frame of the screen, and as fast as it can
const RATES = [1, 2, 5, 10, 20, 50, 100, 200, 500, Infinity];  // Gibbs rounds a second
const SETTLING_S = 0.09;
const PASSES_A_SECOND = 8;
const FEATURES_A_PAGE = 40;
const EXCITED = 8;

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const $ = (id) => document.getElementById(id);
const percent = (share) =>
  share > 0.9995 ? "more than 99.9\u00a0%" : share < 0.0005 ? "less than 0.1\u00a0%" : `${(100 * share).toFixed(1)}\u00a0%`;

const signed = (number) => number.toFixed(1).replace("-", "\u2212");

/** An element with attributes, in a parent. */
function add(parent, tag, attributes = {}, text = "") {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  parent?.append(element);
  return element;
}

/** Radio buttons as words in a row; calls `chosen` with the value. */
function choices(parent, name, options, value, chosen) {
  for (const [each, text] of options) {
    const label = add(parent, "label");
    const input = add(label, "input", { type: "radio", name, value: each });
    input.checked = each === value;
    input.addEventListener("change", () => chosen(each));
    add(label, "span", {}, text);
  }
}

/** Radio buttons as pictures, for the arrow keys too; returns the pictures and their captions. */
function pictureChoices(parent, name, n, shape, described, chosen) {
  parent.replaceChildren();
  return Array.from({ length: n }, (_, k) => {
    const label = add(parent, "label");
    const input = add(label, "input", { type: "radio", name, value: k, "aria-label": described(k) });
    input.addEventListener("change", () => chosen(k));
    const picture = new Picture(add(label, "canvas", { "aria-hidden": "true" }), shape);
    return { input, label, picture, caption: add(label, "small", { "aria-hidden": "true" }) };
  });
}

/** Pictures that cannot be chosen, with their captions. */
function figures(parent, n, shape) {
  return Array.from({ length: n }, () => {
    const figure = add(parent, "figure");
    const picture = new Picture(add(figure, "canvas", { "aria-hidden": "true" }), shape);
    return { picture, caption: add(figure, "small") };
  });
}

/** A label as it is called in the data: nets know it by its place. */
const named = (label) => String(page.names[label]);

const labelOptions = (free, ...others) => [
  ...others, ...Array.from({ length: page.classes }, (_, k) => [k, named(k)]), [free, "free"],
];

// -- what the page holds -------------------------------------------------------------------------

/** What the sections share: the nets, the test digits, and which of both is chosen. */
const page = {
  nets: [],
  sections: [],

  async open() {
    Object.assign(this, JSON.parse($("about").textContent));
    const pixels = new Uint8Array(await unpacked($("digits-data").textContent));
    const size = this.shape[0] * this.shape[1];
    this.digits = this.labels.map((_, i) =>
      Float64Array.from(pixels.subarray(i * size, (i + 1) * size), (pixel) => pixel / 255));
    this.aboutNets = this.nets;
    this.nets = [];
    for (const [i, about] of this.aboutNets.entries()) {
      this.nets.push(new Net(about, await unpacked($(`net-${i}`).textContent)));
    }
    this.net = this.nets[0];
    this.random = new Random(Date.now());
    this.image = new Float64Array(size);
    this.label = null;
    this.digit = -1;
  },

  /** An image to look at; its label where it is a test digit. */
  setImage(image, digit = -1) {
    this.image.set(image);
    this.digit = digit;
    this.label = digit < 0 ? null : this.labels[digit];
    for (const section of this.sections) section.imageChanged?.();
  },

  setNet(net) {
    this.net = net;
    for (const section of this.sections) section.netChanged?.();
  },

  get drawn() {
    return this.image.some((pixel) => pixel > 0);
  },
};

/** Figure 4: the layers of a net one above the other, the labels beside pen. */
class NetView {
  constructor(element, chosen) {
    const [, hid, pen, top] = page.net.sizes;
    const part = (name, about) => {
      const box = add(element, "div", { class: `layer ${name}` });
      add(box, "p").innerHTML = `<b>${name}</b> ${about}`;
      return add(box, "div");
    };
    const canvas = (name, about) => add(part(name, about), "canvas", { role: "img", "aria-label": `${name}: ${about}` });
    const layer = (name, n) => {
      const view = new Layer(canvas(name, `${n.toLocaleString("en")} features`), n);
      view.canvas.addEventListener("click", (event) => view.at(event) >= 0 && chosen(name, view.at(event)));
      return view;
    };
    this.top = layer("top", top);
    this.pen = layer("pen", pen);
    const valleys = part("lab", "free energy with each label, in nats");
    valleys.className = "valleys";
    valleys.setAttribute("role", "img");
    this.valleys = new Valleys(valleys, page.names);
    this.hid = layer("hid", hid);
    this.vis = new Picture(canvas("vis", `${page.shape.join(" × ")} pixels`), page.shape);
  }

  draw(vis, hid, pen, top, energies) {
    this.vis.draw(vis);
    this.hid.draw(hid);
    this.pen.draw(pen);
    this.top.draw(top);
    this.valleys.draw(energies);
  }
}

/** Buttons and a slider that run rounds: the section's `round` as often as they say, then its `show`. */
class Player {
  constructor(element, name, section, explained) {
    this.section = section;
    this.playing = false;
    this.due = 0;
    this.rounds = 0;
    this.button = add(element, "button", { type: "button", class: "play" }, "Run");
    this.button.addEventListener("click", () => this.play(!this.playing));
    this.step = add(element, "button", { type: "button" }, "One round");
    this.step.addEventListener("click", () => (this.play(false), this.once()));
    const label = add(element, "label", { class: "speed" });
    this.rate = add(null, "input", {
      type: "range", min: 0, max: RATES.length - 1, value: RATES.indexOf(20), "aria-label": `${name}: rounds a second`,
    });
    this.speed = add(label, "span");
    label.append(this.rate);
    this.rate.addEventListener("input", () => this.say());
    this.count = add(element, "span", { class: "count" });
    add(element, "p", { class: "hint" }, explained);
    this.say();
  }

  get wanted() {
    return RATES[this.rate.value];
  }

  play(playing) {
    this.playing = playing;
    this.due = playing ? 1 : 0;
    this.button.textContent = playing ? "Pause" : "Run";
    this.button.setAttribute("aria-pressed", playing);
  }

  once() {
    this.section.round();
    this.rounds++;
    this.say();
    this.section.show();
  }

  restart() {
    this.rounds = 0;
    this.say();
  }

  /** The rounds that are due since the last frame, or as many as there is time for. */
  tick(seconds) {
    if (!this.playing) return;
    this.due = Math.min(this.due + this.wanted * seconds, 1e9);
    if (this.due < 1) return;
    const end = performance.now() + (this.wanted === Infinity ? MOST_MS : BUDGET_MS);
    let made = 0;
    while (this.due >= 1 && (made === 0 || performance.now() < end)) {
      this.section.round();
      this.rounds++;
      this.due--;
      made++;
    }
    this.due = Math.min(this.due, 1);
    this.say();
    this.section.show();
  }

  say() {
    const rate = this.wanted;
    this.speed.textContent = rate === Infinity ? "as fast as it can" : `${rate} rounds a second`;
    this.rate.setAttribute("aria-valuetext", this.speed.textContent);
    this.count.textContent = `${this.rounds.toLocaleString("en")} round${this.rounds === 1 ? "" : "s"}`;
  }
}

// -- recognise -----------------------------------------------------------------------------------

class Recognise {
  constructor() {
    this.element = $("recognise");
    this.view = new NetView($("recognise-net"), (layer, unit) => page.features.show(layer, unit, true));
    this.rasteriser = new Rasteriser(page.shape);
    this.pad = new Pad($("pad"), page.shape, () => this.drawn());
    $("undo").addEventListener("click", () => this.pad.undo());
    $("clear").addEventListener("click", () => this.pad.clear());
    $("centred").addEventListener("change", () => this.pad.strokes.length && this.drawn());
    $("binary").addEventListener("change", () => this.imageChanged());
    this.choices = pictureChoices($("digits"), "digit", page.digits.length, page.shape,
      (k) => `Test ${page.noun} ${page.cases[k]}: ${named(page.labels[k])}`, (k) => this.pick(k));
    const hard = Math.floor((page.digits.length / page.classes) * 0.2);
    $("digits-hint").textContent = "Images that no net has learned from, the first of each class in the test set"
      + (hard ? `; the last ${hard === 1 ? "one" : hard} of each are those that the ${page.aboutNets[0].name} net finds hardest.` : ".");
    this.netChanged();
  }

  netChanged() {
    const [, hid, pen] = page.net.sizes;
    this.shown = new Recognition(page.net);  // settling
    this.hid = new Float64Array(hid);
    this.pen = new Float64Array(pen);
    this.meanProbs = new Float64Array(page.classes);
    this.imageChanged();
  }

  drawn() {
    for (const { input } of this.choices) input.checked = false;
    page.setImage(this.rasteriser.imageOf(this.pad.strokes, $("centred").checked));
  }

  pick(k) {
    this.pad.show(page.digits[k]);
    this.choices[k].input.checked = true;
    page.setImage(page.digits[k], k);
  }

  imageChanged() {
    this.settled = false;
    this.passes = 0;
    this.due = 1;
    this.meanProbs.fill(0);
  }

  tick(seconds) {
    if ($("binary").checked) return this.sample(seconds);
    if (this.settled) return;
    const share = calm.matches ? 1 : 1 - Math.exp(-seconds / SETTLING_S);
    this.settled = this.settle(share) < 0.002;
    if (this.settled) this.shown.recognise(page.image);
    else this.shown.compete();
    this.show(this.shown.labProbs);
  }

  /** Every layer a share of the way to what the layer below tells it; returns the farthest left. */
  settle(share) {
    const { shown, hid, pen } = this, net = page.net;
    let farthest = approach(shown.vis, page.image, share);
    layerProbs(shown.vis, net.vishid, net.hidRecBias, hid);
    farthest = Math.max(farthest, approach(shown.hid, hid, share));
    layerProbs(shown.hid, net.hidpen, net.penRecBias, pen);
    return Math.max(farthest, approach(shown.pen, pen, share));
  }

  /** Stochastic up-passes, and the mean of what they say of the labels. */
  sample(seconds) {
    this.due += seconds * PASSES_A_SECOND;
    if (this.due < 1) return;
    this.due = 0;
    const { shown } = this;
    shown.vis.set(page.image);
    page.net.sampledUpPass(shown.vis, shown.hid, shown.pen, page.random);
    shown.compete();
    sampleStates(shown.top, shown.top, page.random);
    this.passes++;
    for (let k = 0; k < page.classes; k++) {
      this.meanProbs[k] += (shown.labProbs[k] - this.meanProbs[k]) / this.passes;
    }
    this.show(this.meanProbs);
  }

  show(probs) {
    const { shown, view } = this;
    view.draw(shown.vis, shown.hid, shown.pen, shown.top, shown.energies);
    // It is read aloud where it changes: not on the way, and not with every sample.
    $("verdict").setAttribute("aria-live", this.passes ? "off" : "polite");
    const words = this.verdict(probs);
    if ((this.settled || this.passes) && $("verdict").textContent !== words) $("verdict").textContent = words;
  }

  verdict(probs) {
    if (!page.drawn) return "Nothing is drawn; the biases alone decide.";
    const order = Array.from(probs.keys()).sort((one, other) => probs[other] - probs[one]);
    const [guess, second] = order;
    let words = `It is a ${named(guess)}, says the net, with probability ${percent(probs[guess])}`;
    words += second === undefined ? "." : `; next comes ${named(second)}, with ${percent(probs[second])}.`;
    if (page.label !== null) words += page.label === guess ? " It is." : ` Its label is ${named(page.label)}.`;
    if (this.passes) words += ` Mean of ${this.passes} up-pass${this.passes === 1 ? "" : "es"}.`;
    return words;
  }

  redraw() {
    this.choices.forEach(({ picture }, k) => picture.draw(page.digits[k]));
    this.pad.draw();
    this.show($("binary").checked ? this.meanProbs : this.shown.labProbs);
  }
}

/** Moves values a share of the way to their targets; returns the farthest that is left. */
function approach(values, targets, share) {
  let farthest = 0;
  for (let i = 0; i < values.length; i++) {
    values[i] += share * (targets[i] - values[i]);
    farthest = Math.max(farthest, Math.abs(targets[i] - values[i]));
  }
  return farthest;
}

// -- dream ---------------------------------------------------------------------------------------

const EACH = "each", FREE = "free";

class Dream {
  constructor() {
    this.element = $("dream");
    this.labels = EACH;
    this.watched = 0;
    this.reader = 0;
    this.view = new NetView($("dream-net"), (layer, unit) => page.features.show(layer, unit, true));
    choices($("dream-labels"), "dream-label", labelOptions(FREE, [EACH, "each its own"]), EACH, (label) => {
      this.labels = label;
      this.clamp();
    });
    this.pictures = pictureChoices($("dreams"), "dream", N_CHAINS, page.shape,
      (k) => `Watch chain ${k + 1}`, (k) => { this.watched = k; this.redraw(); });
    this.pictures[0].input.checked = true;
    this.player = new Player($("dream-player"), "Dream", this,
      "A round of alternating Gibbs sampling: all of top, given pen and lab (Eq. 5), then all of pen and lab, given top (Eq. 6).");
    $("dream-noise").addEventListener("click", () => this.start(null));
    $("dream-digit").addEventListener("click", () => this.start(page.image));
    this.netChanged();
    if (!calm.matches) this.player.play(true);
  }

  netChanged() {
    this.chains = new Chains(page.net, N_CHAINS, page.random);
    this.recognition = new Recognition(page.net);
    this.read = new Int32Array(N_CHAINS).fill(-1);
    this.energies = new Float64Array(page.classes);
    this.start(null);
  }

  /** All chains anew: from random images, or from one that is given. */
  start(image) {
    this.clamp();
    for (let k = 0; k < N_CHAINS; k++) {
      if (image) this.chains.startFrom(k, image);
      else this.chains.startFromNoise(k);
    }
    this.read.fill(-1);
    this.player.restart();
    this.redraw();
  }

  clamp() {
    for (let k = 0; k < N_CHAINS; k++) {
      this.chains.clamped[k] = this.labels === EACH ? k % page.classes : this.labels === FREE ? -1 : this.labels;
    }
  }

  round() {
    for (let k = 0; k < N_CHAINS; k++) this.chains.round(k);
  }

  tick(seconds) {
    this.player.tick(seconds);
  }

  show() {
    for (let k = 0; k < N_CHAINS; k++) this.chains.paint(k);
    this.readOne();
    this.redraw();
  }

  /** One chain's image a frame is given to the net to read. */
  readOne() {
    this.reader = (this.reader + 1) % N_CHAINS;
    this.recognition.recognise(this.chains.vis[this.reader]);
    this.read[this.reader] = this.recognition.guess;
  }

  redraw() {
    const { chains, pictures, watched } = this;
    for (let k = 0; k < N_CHAINS; k++) {
      pictures[k].picture.draw(chains.vis[k]);
      const label = largest(chains.lab[k]), read = this.read[k];
      pictures[k].caption.textContent = read < 0 || read === label ? named(label) : `${named(label)} → ${named(read)}`;
    }
    $("state").textContent = `Chain ${watched + 1}: free energy ${signed(chains.freeEnergy(watched))} nats`
      + `, ${Math.round(chains.ink(watched))} full pixels of ink.`;
    page.net.freeEnergies(chains.pen[watched], this.energies);
    this.view.draw(chains.vis[watched], chains.hid[watched], chains.pen[watched], chains.top[watched], this.energies);
  }
}

// -- fill in -------------------------------------------------------------------------------------

const HALVES = {
  "lower half": (row, column, rows) => row >= rows / 2,
  "upper half": (row, column, rows) => row < rows / 2,
  "left half": (row, column, rows, columns) => column < columns / 2,
  "right half": (row, column, rows, columns) => column >= columns / 2,
};

class FillIn {
  constructor() {
    this.element = $("fill-in");
    this.label = FREE;
    this.half = "lower half";
    choices($("halves"), "half", Object.keys(HALVES).map((half) => [half, half]), this.half, (half) => {
      this.half = half;
      this.start();
    });
    choices($("fill-labels"), "fill-label", labelOptions(FREE), FREE, (label) => {
      this.label = label;
      this.clamp();
    });
    this.pictures = figures($("fills"), N_CHAINS, page.shape);
    this.player = new Player($("fill-player"), "Fill in", this,
      "How many times a second the erased half is painted anew.");
    $("fill-again").addEventListener("click", () => this.start());
    $("another").addEventListener("click", () => {
      page.recognise.pick((page.digit + 1) % page.digits.length);
    });
    this.netChanged();
  }

  netChanged() {
    this.filling = new FillingIn(page.net, N_CHAINS, page.random);
    this.imageChanged();
  }

  imageChanged() {
    this.start();
  }

  clamp() {
    this.filling.chains.clamped.fill(this.label === FREE ? -1 : this.label);
  }

  start() {
    const [rows, columns] = page.shape, erased = HALVES[this.half];
    this.clamp();
    this.filling.start(page.image, page.image.map((_, i) => +erased(Math.floor(i / columns), i % columns, rows, columns)));
    this.player.restart();
    this.redraw();
  }

  round() {
    for (let k = 0; k < N_CHAINS; k++) this.filling.round(k);
  }

  tick(seconds) {
    this.player.tick(seconds);
  }

  show() {
    this.redraw();
  }

  redraw() {
    const { images, erased, chains } = this.filling;
    this.pictures.forEach(({ picture, caption }, k) => {
      picture.draw(images[k], erased);
      caption.textContent = this.player.rounds ? named(largest(chains.lab[k])) : "–";
    });
  }
}

// -- features ------------------------------------------------------------------------------------

const LAYERS = {
  hid: "A hid feature’s recognition weights from the pixels, as in Figure 3.",
  pen: "Its weights from hid, times theirs from the pixels: what would turn it on if the features below were linear.",
  top: "Its weights from pen, times those of the layers below.",
};

class Features {
  constructor() {
    this.element = $("features");
    this.layer = "hid";
    this.first = 0;
    this.unit = 0;
    choices($("layers"), "layer", Object.keys(LAYERS).map((name) => [name, name]), this.layer,
      (layer) => this.show(layer, 0));
    $("fewer").addEventListener("click", () => this.leaf(-FEATURES_A_PAGE));
    $("more").addEventListener("click", () => this.leaf(FEATURES_A_PAGE));
    this.large = new Picture($("field"), page.shape);
    this.exciting = figures($("exciting"), Math.min(EXCITED, page.digits.length), page.shape);
    this.bars = Array.from({ length: page.classes }, (_, label) => {
      const column = add($("bars"), "div", { class: "vote" });
      const bar = add(add(column, "div"), "i");
      add(column, "b", {}, named(label));
      return bar;
    });
    this.netChanged();
  }

  get n() {
    return page.net.sizes[1 + Object.keys(LAYERS).indexOf(this.layer)];
  }

  netChanged() {
    this.largest = meanLargestWeight(page.net);
    const recognition = new Recognition(page.net);
    const lab = new Float64Array(page.classes);
    this.activities = page.digits.map((digit, k) => {
      recognition.recognise(digit);
      lab.fill(0);
      lab[page.labels[k]] = 1;
      page.net.topProbs(recognition.pen, lab, recognition.top);
      return { hid: recognition.hid.slice(), pen: recognition.pen.slice(), top: recognition.top.slice() };
    });
    this.show(this.layer, this.unit);
  }

  leaf(by) {
    const last = Math.floor((this.n - 1) / FEATURES_A_PAGE) * FEATURES_A_PAGE;
    const first = this.first + by;
    this.show(this.layer, first < 0 ? last : first > last ? 0 : first);
  }

  /** One feature, and the others of its place in the layer. */
  show(layer, unit, scroll = false) {
    this.layer = layer;
    this.unit = unit;
    this.first = Math.floor(unit / FEATURES_A_PAGE) * FEATURES_A_PAGE;
    const n = Math.min(FEATURES_A_PAGE, this.n - this.first);
    for (const input of $("layers").querySelectorAll("input")) input.checked = input.value === layer;
    $("layer-hint").textContent = LAYERS[layer];
    $("which-features").textContent = `${this.first + 1}–${this.first + n} of ${this.n.toLocaleString("en")}`;
    this.pictures = pictureChoices($("fields"), "feature", n, page.shape,
      (k) => `Feature ${this.first + k + 1} of ${layer}`, (k) => { this.unit = this.first + k; this.redraw(); });
    this.fields = Array.from({ length: n }, (_, k) => {
      const field = new Float64Array(page.net.sizes[0]);
      receptiveField(page.net, layer, this.first + k, field);
      return field;
    });
    this.redraw();
    if (scroll) this.element.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth" });
  }

  redraw() {
    const { layer, unit, first, fields } = this;
    this.pictures.forEach(({ picture, input }, k) => {
      picture.drawWeights(fields[k], this.most(fields[k]));
      input.checked = first + k === unit;
    });
    const field = fields[unit - first], most = this.most(field);
    this.large.drawWeights(field, most);
    $("field").setAttribute("aria-label", `Weights of feature ${unit + 1} of ${layer}`);
    $("feature-title").textContent = `${layer}, feature ${unit + 1}`;
    $("field-scale").textContent = layer === "hid"
      ? `Full at weights of ${this.largest.toFixed(1)} and more.`
      : "Full at the largest of its weights.";
    const order = page.digits.map((_, k) => k);
    order.sort((one, other) => this.activities[other][layer][unit] - this.activities[one][layer][unit]);
    this.exciting.forEach(({ picture, caption }, k) => {
      picture.draw(page.digits[order[k]]);
      caption.textContent = this.activities[order[k]][layer][unit].toFixed(2);
    });
    $("votes").hidden = layer !== "top";
    if (layer === "top") this.drawVotes();
  }

  /** The weight that is drawn full. */
  most(field) {
    return this.layer === "hid" ? this.largest : field.reduce((most, weight) => Math.max(most, Math.abs(weight)), 1e-9);
  }

  drawVotes() {
    const { labtop, sizes } = page.net, n = sizes[3];
    const weights = this.bars.map((_, label) => labtop[label * n + this.unit]);
    const most = Math.max(...weights.map(Math.abs), 1);
    this.bars.forEach((bar, label) => {
      const share = weights[label] / most;
      bar.className = share < 0 ? "against" : "for";
      bar.style.height = `${50 * Math.abs(share)}%`;
      bar.title = weights[label].toFixed(2);
    });
  }
}

/** The mean over the hid features of their largest weight from the pixels. */
function meanLargestWeight({ vishid, sizes: [, hid] }) {
  const most = new Float64Array(hid);
  vishid.forEach((weight, i) => (most[i % hid] = Math.max(most[i % hid], Math.abs(weight))));
  return most.reduce((sum, weight) => sum + weight / hid, 0);
}

// -- compare -------------------------------------------------------------------------------------

class Compare {
  constructor() {
    this.element = $("compare");
    this.sides = page.nets.map((net, i) => {
      const box = add($("compared"), "div", { class: "side" });
      add(box, "h3", {}, page.aboutNets[i].name);
      const pictures = figures(add(box, "div", { class: "chains" }), N_CHAINS, page.shape);
      const words = add(box, "p", { class: "verdict" });
      const canvas = add(box, "canvas", { class: "curves", role: "img", "aria-label": "Ink of each chain by rounds" });
      return {
        net, pictures, words, curves: new InkCurves(canvas, N_CHAINS, page.ink),
        chains: new Chains(net, N_CHAINS, page.random), recognition: new Recognition(net),
        read: new Int32Array(N_CHAINS).fill(-1), ofImage: new Recognition(net),
      };
    });
    this.reader = 0;
    this.player = new Player($("compare-player"), "Compare", this,
      "Rounds of alternating Gibbs sampling in both memories, a label clamped in each chain.");
    this.player.rate.value = RATES.length - 1;
    $("compare-digits").addEventListener("click", () => this.start(true));
    $("compare-noise").addEventListener("click", () => this.start(false));
    this.start(true);
  }

  start(fromDigits) {
    for (const { chains, curves, read } of this.sides) {
      curves.clear();
      read.fill(-1);
      for (let k = 0; k < N_CHAINS; k++) {
        const label = (chains.clamped[k] = k % page.classes);
        const digit = page.labels.indexOf(label);
        if (fromDigits && digit >= 0) chains.startFrom(k, page.digits[digit]);
        else chains.startFromNoise(k);
      }
    }
    this.player.restart();
    this.note();
    this.redraw();
  }

  round() {
    for (const { chains } of this.sides) for (let k = 0; k < N_CHAINS; k++) chains.round(k);
  }

  note() {
    for (const { chains, curves } of this.sides) curves.note(this.player.rounds, (k) => chains.ink(k));
  }

  tick(seconds) {
    this.player.tick(seconds);
  }

  show() {
    this.reader = (this.reader + 1) % N_CHAINS;
    for (const { chains, recognition, read } of this.sides) {
      for (let k = 0; k < N_CHAINS; k++) chains.paint(k);
      recognition.recognise(chains.vis[this.reader]);
      read[this.reader] = recognition.guess;
    }
    this.note();
    this.redraw();
  }

  imageChanged() {
    for (const { ofImage } of this.sides) ofImage.recognise(page.image);
    this.redraw();
  }

  redraw() {
    const [low, high] = page.ink;
    for (const { chains, pictures, words, curves, read, ofImage } of this.sides) {
      let like = 0, right = 0;
      pictures.forEach(({ picture, caption }, k) => {
        picture.draw(chains.vis[k]);
        const ink = chains.ink(k), label = chains.clamped[k];
        like += ink >= low && ink <= high;
        right += read[k] === label;
        caption.textContent = read[k] < 0 || read[k] === label ? named(label) : `${named(label)} → ${named(read[k])}`;
      });
      const guess = ofImage.guess;
      words.textContent = `${like} of ${N_CHAINS} chains have as much ink as the ${page.noun}s of training`
        + (read.includes(-1) ? "." : `, ${right} are read as the label that is clamped.`)
        + (page.drawn ? ` The ${page.noun} above: ${named(guess)}, with probability ${percent(ofImage.labProbs[guess])}.` : "");
      curves.draw();
    }
  }
}

// -- the page ------------------------------------------------------------------------------------

function showProvenance() {
  $("version").textContent = page.version;
  const table = $("provenance");
  const row = (name, cell) => {
    const line = add(table, "tr");
    add(line, "th", { scope: "row" }, name);
    for (const net of page.aboutNets) add(line, "td", {}, cell(net));
  };
  const count = (number) => number.toLocaleString("en");
  row("Net", ({ name }) => name);
  row("Units", ({ sizes }) => `${sizes.slice(0, 4).join("–")}, ${sizes[4]} labels`);
  row("Learned", ({ about, role, recipe, seed }) => `${about}, ${role}; recipe ${recipe}, seed ${seed}`);
  row("Test errors", ({ errors, cases }) => `${count(errors)} of ${count(cases)}`);
  row("with weights rounded to bytes, as here",
    ({ rounded_errors, changed }) => `${count(rounded_errors)}; ${count(changed)} guesses differ`);
  row("File", ({ file, sha256 }) => `${file}, SHA-256 ${sha256.slice(0, 16)}`);
  $("data-note").textContent = page.data === "MNIST"
    ? "The digits are of the MNIST database, by Yann LeCun, Corinna Cortes and Christopher J.C. Burges, under the "
      + "Creative Commons Attribution-Share Alike 3.0 licence."
    : `The images are of ${page.data}.`;
}

/** Light or dark: as the system has it, until the button says otherwise. */
function watchColours() {
  const dark = matchMedia("(prefers-color-scheme: dark)"), root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const changed = () => {
    palette.read();
    $("theme").textContent = isDark() ? "Light" : "Dark";
    for (const section of page.sections) section.redraw();
  };
  $("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    changed();
  });
  dark.addEventListener("change", changed);
  addEventListener("resize", changed);
  changed();
}

/** Sections work while they can be seen. */
function run() {
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      page.sections.find(({ element }) => element === target).visible = isIntersecting;
    }
  });
  for (const section of page.sections) watcher.observe(section.element);
  let before = performance.now();
  const frame = (now) => {
    const seconds = Math.min(0.1, Math.max(0, (now - before) / 1000));
    before = now;
    for (const section of page.sections) if (section.visible) section.tick?.(seconds);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

async function main() {
  if (!("DecompressionStream" in window)) {
    throw new Error("this browser cannot unpack the weights; any of 2023 or later can");
  }
  await page.open();
  const two = page.nets.length > 1;
  const greedy = page.aboutNets.some(({ tied }) => tied);
  for (const element of document.querySelectorAll(".two")) element.hidden = !two;
  for (const element of document.querySelectorAll(".greedy")) element.hidden = !greedy;
  document.querySelector("main").hidden = false;
  choices($("nets"), "net", page.aboutNets.map(({ name }, i) => [i, name]), 0, (i) => page.setNet(page.nets[i]));
  palette.read();
  page.features = new Features();
  page.recognise = new Recognise();
  page.sections = [page.recognise, new Dream(), new FillIn(), page.features];
  if (two) page.sections.push(new Compare());
  page.recognise.pick(0);
  watchColours();
  showProvenance();
  run();
  $("loading").hidden = true;
  // For whoever opens the console, and for the tests.
  window.hinton06 = { page, Net, Recognition, Chains, FillingIn, Random, Rasteriser, receptiveField, Valleys };
}

main().catch((error) => {
  $("loading").textContent = `This page does not work here: ${error.message}.`;
  $("loading").className = "trouble";
  throw error;
});
