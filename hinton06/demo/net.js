// The net of the chapter's Figure 4, and what it can do.
//
//   vis  pixels            hid  features of the first layer      pen  penultimate features
//   top  features of the top layer; with pen and lab (the label units) they are the associative memory
//
// Weights are named for the layers that they join: vishid and hidpen recognise, penhid and hidvis
// generate, pentop and labtop are the memory's, toppen and toplab the same the other way round. Row i
// of a matrix, n numbers from i * n on, leads from unit i to the n units of the other layer. Weights
// are float32, everything that is computed float64. Nothing is allocated once a net and its chains are.

/** Eq. 1: with what probability a unit turns on whose total input is x. */
const logistic = (x) => 1 / (1 + Math.exp(-x));

/** log(1 + exp(x)), without overflow. */
const softplus = (x) => (x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x)));

// The units of a layer that are not off: a buffer, longer than any layer that fits into a page.
const active = new Int32Array(65536);

/** Adds to the total inputs of a layer what comes from the units of another.
 *
 *  Most of them are off. The others are taken by fours, for an input to be read and written once
 *  for all four, which is three times as fast. */
function addInputs(from, weights, inputs) {
  const n = inputs.length;
  let count = 0, k = 0;
  for (let i = 0; i < from.length; i++) if (from[i] !== 0) active[count++] = i;
  for (; k + 3 < count; k += 4) {
    const a = active[k], b = active[k + 1], c = active[k + 2], d = active[k + 3];
    const sa = from[a], sb = from[b], sc = from[c], sd = from[d];
    for (let j = 0; j < n; j++) {
      inputs[j] += sa * weights[a * n + j] + sb * weights[b * n + j] + sc * weights[c * n + j] + sd * weights[d * n + j];
    }
  }
  for (; k < count; k++) {
    const a = active[k], sa = from[a];
    for (let j = 0; j < n; j++) inputs[j] += sa * weights[a * n + j];
  }
}

/** Eq. 1 for a whole layer: probs of its units, given the activities of one other layer. */
function layerProbs(from, weights, bias, probs) {
  probs.set(bias);
  addInputs(from, weights, probs);
  for (let j = 0; j < probs.length; j++) probs[j] = logistic(probs[j]);
}

/** Binary states: each unit turns on with its probability. */
function sampleStates(probs, states, random) {
  for (let j = 0; j < probs.length; j++) states[j] = random.uniform() < probs[j] ? 1 : 0;
}

/** Total inputs become probabilities that sum to 1, in place. */
function softmax(inputs) {
  let largest = -Infinity, sum = 0;
  for (let k = 0; k < inputs.length; k++) largest = Math.max(largest, inputs[k]);
  for (let k = 0; k < inputs.length; k++) sum += inputs[k] = Math.exp(inputs[k] - largest);
  for (let k = 0; k < inputs.length; k++) inputs[k] /= sum;
}

/** Exactly one unit on, chosen with its probability. */
function sampleOne(probs, states, random) {
  let draw = random.uniform(), chosen = 0;
  while (chosen < probs.length - 1 && (draw -= probs[chosen]) >= 0) chosen++;
  states.fill(0);
  states[chosen] = 1;
}

/** Random numbers that start anew from a seed: sfc32, by Chris Doty-Humphrey. */
class Random {
  constructor(seed) {
    this.a = 0;
    this.b = seed | 0;
    this.c = (seed / 4294967296) | 0;
    this.counter = 1;
    for (let i = 0; i < 15; i++) this.uniform();
  }

  /** Uniform in [0, 1), a multiple of 2 ** -32. */
  uniform() {
    const word = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + word) | 0;
    return (word >>> 0) / 4294967296;
  }
}

/** The (m x n) matrix as the (n x m) one that leads the other way. */
function transposed(weights, m, n) {
  const result = new Float32Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) result[j * m + i] = weights[i * n + j];
  return result;
}

/** A net, from what the page says of it and from its unpacked bytes. */
class Net {
  constructor(about, buffer) {
    this.about = about;
    const [vis, hid, pen, top, lab] = (this.sizes = about.sizes);
    const shapes = { vishid: [vis, hid], hidpen: [hid, pen] };
    if (!about.tied) Object.assign(shapes, { penhid: [pen, hid], hidvis: [hid, vis] });
    shapes.memory = [pen + lab, top];

    let place = 0;
    const floats = (n) => new Float32Array(buffer, (place += 4 * n) - 4 * n, n);
    const steps = {};
    for (const name in shapes) steps[name] = floats(shapes[name][1]);
    this.hidRecBias = floats(hid);
    this.penRecBias = floats(pen);
    this.hidGenBias = floats(hid);
    this.visGenBias = floats(vis);
    this.penBias = floats(pen);
    this.labBias = floats(lab);
    this.topBias = floats(top);

    for (const name in shapes) {  // a weight is its code times the step of the unit it leads to
      const [m, n] = shapes[name];
      const codes = new Int8Array(buffer, place, m * n);
      place += m * n;
      const weights = (this[name] = new Float32Array(m * n));
      for (let i = 0; i < m * n; i++) weights[i] = codes[i] * steps[name][i % n];
    }
    if (about.tied) {  // greedily learned: the same weights in both directions
      this.hidvis = transposed(this.vishid, vis, hid);
      this.penhid = transposed(this.hidpen, hid, pen);
    }
    this.pentop = this.memory.subarray(0, pen * top);
    this.labtop = this.memory.subarray(pen * top);
    this.toppen = transposed(this.pentop, pen, top);
    this.toplab = transposed(this.labtop, lab, top);
    this.topInputs = new Float64Array(top);  // a buffer
  }

  /** The deterministic up-pass: probabilities of hid and pen, given the pixels. */
  upPass(vis, hid, pen) {
    layerProbs(vis, this.vishid, this.hidRecBias, hid);
    layerProbs(hid, this.hidpen, this.penRecBias, pen);
  }

  /** A stochastic up-pass: each feature turns on with its probability. */
  sampledUpPass(vis, hid, pen, random) {
    layerProbs(vis, this.vishid, this.hidRecBias, hid);
    sampleStates(hid, hid, random);
    layerProbs(hid, this.hidpen, this.penRecBias, pen);
    sampleStates(pen, pen, random);
  }

  /** The top-down pass: hid is sampled, the pixels are shown as probabilities. */
  downPass(pen, hid, vis, random) {
    layerProbs(pen, this.penhid, this.hidGenBias, hid);
    sampleStates(hid, hid, random);
    layerProbs(hid, this.hidvis, this.visGenBias, vis);
  }

  /** Eq. 5 in the memory: probabilities of top, given pen and lab. */
  topProbs(pen, lab, top) {
    top.set(this.topBias);
    addInputs(pen, this.pentop, top);
    addInputs(lab, this.labtop, top);
    for (let j = 0; j < top.length; j++) top[j] = logistic(top[j]);
  }

  /** Free energy of the memory, in nats, with pen and each label in turn: "Each of the top-level
   *  units contributes additively to this free energy". */
  freeEnergies(pen, energies) {
    const top = this.topInputs, n = top.length;
    top.set(this.topBias);
    addInputs(pen, this.pentop, top);
    let ofPen = 0;
    for (let i = 0; i < pen.length; i++) ofPen += pen[i] * this.penBias[i];
    for (let label = 0, row = 0; label < energies.length; label++, row += n) {
      let ofTop = 0;
      for (let j = 0; j < n; j++) ofTop += softplus(top[j] + this.labtop[row + j]);
      energies[label] = -ofPen - this.labBias[label] - ofTop;
    }
  }

  /** Free energy of one state of pen and lab, in nats. */
  freeEnergy(pen, lab) {
    const top = this.topInputs;
    top.set(this.topBias);
    addInputs(pen, this.pentop, top);
    addInputs(lab, this.labtop, top);
    let energy = 0;
    for (let i = 0; i < pen.length; i++) energy -= pen[i] * this.penBias[i];
    for (let k = 0; k < lab.length; k++) energy -= lab[k] * this.labBias[k];
    for (let j = 0; j < top.length; j++) energy -= softplus(top[j]);
    return energy;
  }
}

/** What a net says of an image: layers of activities, energies and probabilities of the labels. */
class Recognition {
  constructor(net) {
    const [vis, hid, pen, top, lab] = net.sizes;
    this.net = net;
    this.vis = new Float64Array(vis);
    this.hid = new Float64Array(hid);
    this.pen = new Float64Array(pen);
    this.top = new Float64Array(top);
    this.energies = new Float64Array(lab);
    this.labProbs = new Float64Array(lab);
  }

  /** The deterministic up-pass and the labels' free energies. */
  recognise(vis) {
    this.vis.set(vis);
    this.net.upPass(this.vis, this.hid, this.pen);
    this.compete();
  }

  /** "The label that gives the lowest free-energy is the network's guess": from pen upwards. */
  compete() {
    this.net.freeEnergies(this.pen, this.energies);
    for (let k = 0; k < this.energies.length; k++) this.labProbs[k] = -this.energies[k];
    softmax(this.labProbs);
    this.net.topProbs(this.pen, this.labProbs, this.top);
  }

  get guess() {
    return largest(this.labProbs);
  }
}

/** The place of the largest number. */
function largest(numbers) {
  let best = 0;
  for (let k = 1; k < numbers.length; k++) if (numbers[k] > numbers[best]) best = k;
  return best;
}

/** Chains of alternating Gibbs sampling in the memory, each with a label clamped or free (-1). */
class Chains {
  constructor(net, n, random) {
    const [vis, hid, pen, top, lab] = net.sizes;
    this.net = net;
    this.random = random;
    this.n = n;
    this.clamped = new Int32Array(n).fill(-1);
    const buffers = (size) => Array.from({ length: n }, () => new Float64Array(size));
    this.vis = buffers(vis);  // what each chain has in mind: see `paint`
    this.hid = buffers(hid);
    this.pen = buffers(pen);
    this.top = buffers(top);
    this.lab = buffers(lab);
    this.labProbs = buffers(lab);
  }

  /** "This starts with a random image": each pixel on or off by a fair coin, sent up. */
  startFromNoise(k) {
    const vis = this.vis[k];
    for (let i = 0; i < vis.length; i++) vis[i] = this.random.uniform() < 0.5 ? 1 : 0;
    this.startFrom(k, vis);
  }

  /** From an image, sent up stochastically; a label that is not clamped starts as any. */
  startFrom(k, vis) {
    this.net.sampledUpPass(vis, this.hid[k], this.pen[k], this.random);
    this.labProbs[k].fill(1 / this.labProbs[k].length);
    this.top[k].fill(0);
    this.setLabel(k);
    this.paint(k);
  }

  /** The label that is clamped, or one drawn with its probability. */
  setLabel(k) {
    const lab = this.lab[k];
    if (this.clamped[k] < 0) {
      sampleOne(this.labProbs[k], lab, this.random);
    } else {
      lab.fill(0);
      lab[this.clamped[k]] = 1;
    }
  }

  /** One round: all of top by Eq. 5, then all of pen and lab by Eq. 6. */
  round(k) {
    const { net, random } = this;
    const pen = this.pen[k], top = this.top[k], labProbs = this.labProbs[k];
    net.topProbs(pen, this.lab[k], top);
    sampleStates(top, top, random);
    layerProbs(top, net.toppen, net.penBias, pen);
    sampleStates(pen, pen, random);
    labProbs.set(net.labBias);
    addInputs(top, net.toplab, labProbs);
    softmax(labProbs);
    this.setLabel(k);
  }

  /** What the memory has in mind: a single top-down pass from pen to the pixels. */
  paint(k) {
    this.net.downPass(this.pen[k], this.hid[k], this.vis[k], this.random);
  }

  freeEnergy(k) {
    return this.net.freeEnergy(this.pen[k], this.lab[k]);
  }

  /** The sum of the pixels' probabilities: how much ink there is, in full pixels. */
  ink(k) {
    let sum = 0;
    for (let i = 0; i < this.vis[k].length; i++) sum += this.vis[k][i];
    return sum;
  }
}

/** Chains that paint the erased part of an image; the rest of it stays as it is. */
class FillingIn {
  constructor(net, n, random) {
    this.chains = new Chains(net, n, random);
    this.images = Array.from({ length: n }, () => new Float64Array(net.sizes[0]));
    this.erased = new Uint8Array(net.sizes[0]);
  }

  /** Blank where it is erased. */
  start(image, erased) {
    this.erased.set(erased);
    this.images.forEach((own, k) => {
      for (let i = 0; i < own.length; i++) own[i] = erased[i] ? 0 : image[i];
      this.chains.startFrom(k, own);
    });
  }

  /** A stochastic up-pass of the image as it is, a round in the memory, and a top-down pass, of which
   *  the erased pixels are taken over. */
  round(k) {
    const { chains, erased } = this, image = this.images[k];
    chains.net.sampledUpPass(image, chains.hid[k], chains.pen[k], chains.random);
    chains.round(k);
    chains.paint(k);
    const painted = chains.vis[k];
    for (let i = 0; i < image.length; i++) if (erased[i]) image[i] = painted[i];
  }
}

/** What a feature of a layer looks for: the recognition weights from the pixels to it, through the
 *  layers below as if their units were linear. */
function receptiveField(net, layer, unit, field) {
  const [vis, hid, pen, top] = net.sizes;
  let through = new Float64Array(hid);
  if (layer === "hid") {
    through[unit] = 1;
  } else {
    const ofPen = new Float64Array(pen);
    if (layer === "pen") ofPen[unit] = 1;
    else for (let i = 0; i < pen; i++) ofPen[i] = net.pentop[i * top + unit];
    for (let i = 0; i < hid; i++) {
      for (let j = 0; j < pen; j++) through[i] += net.hidpen[i * pen + j] * ofPen[j];
    }
  }
  for (let i = 0; i < vis; i++) {
    let weight = 0;
    for (let j = 0; j < hid; j++) weight += net.vishid[i * hid + j] * through[j];
    field[i] = weight;
  }
}

// -- from the text in the page -------------------------------------------------------------------

/** The bytes that Python's `packed` made a text of: base64 of what zlib deflated. */
async function unpacked(text) {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}
