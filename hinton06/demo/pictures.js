// Pictures: images, layers of units, weights, the labels' free energies and curves, in the page's
// colours, light or dark.

const INK_SHADES = 256;

/** The page's colours, as tables that a picture looks its pixels up in. */
const palette = {
  read() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => {
      const [r, g, b] = style.getPropertyValue(name).match(/[0-9a-f]{2}/gi);
      return [r, g, b].map((hex) => parseInt(hex, 16));
    };
    const paper = colour("--sheet"), ink = colour("--ink");
    this.paper = paper;
    this.ink = ramp(paper, ink);  // images, and positive weights
    this.against = ramp(paper, colour("--against"));  // negative weights
    this.units = ramp(colour("--off"), colour("--on"));
    this.erased = ramp(colour("--erased"), ink);
    this.css = (name) => style.getPropertyValue(name);
  },
};

/** Shades from one colour to another, as pixels of an ImageData. */
function ramp(from, to) {
  return Uint32Array.from({ length: INK_SHADES }, (_, i) => {
    const [r, g, b] = from.map((low, c) => Math.round(low + ((to[c] - low) * i) / (INK_SHADES - 1)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

const shade = (value) => (value <= 0 ? 0 : value >= 1 ? INK_SHADES - 1 : (value * INK_SHADES) | 0);

/** A canvas of one image: ink is probability. */
class Picture {
  constructor(canvas, [rows, columns]) {
    canvas.width = columns;
    canvas.height = rows;
    canvas.classList.add("picture");
    canvas.style.setProperty("--columns", columns);
    canvas.style.aspectRatio = `${columns} / ${rows}`;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.data = this.context.createImageData(columns, rows);
    this.pixels = new Uint32Array(this.data.data.buffer);
  }

  /** Pixels in [0, 1]; those that are `erased` on paper of another colour. */
  draw(values, erased = null) {
    for (let i = 0; i < this.pixels.length; i++) {
      this.pixels[i] = (erased && erased[i] ? palette.erased : palette.ink)[shade(values[i])];
    }
    this.context.putImageData(this.data, 0, 0);
  }

  /** Weights: ink for positive ones, the other colour for negative ones, full at `most`. */
  drawWeights(weights, most) {
    for (let i = 0; i < this.pixels.length; i++) {
      const share = weights[i] / most;
      this.pixels[i] = share >= 0 ? palette.ink[shade(share)] : palette.against[shade(-share)];
    }
    this.context.putImageData(this.data, 0, 0);
  }
}

/** A layer as a band of small squares, one for each unit, as dark as it is active. */
class Layer {
  constructor(canvas, n, proportion = 5) {
    this.canvas = canvas;
    this.n = n;
    this.columns = Math.min(n, Math.ceil(Math.sqrt(n * proportion)));
    while (this.columns < n && this.columns < 2 * Math.sqrt(n * proportion) && n % this.columns) {
      this.columns++;
    }
    this.rows = Math.ceil(n / this.columns);
    this.context = canvas.getContext("2d");
    this.width = 0;
  }

  /** As wide as its place allows in whole pixels of the screen. */
  fit() {
    const ratio = window.devicePixelRatio || 1;
    const room = this.canvas.parentElement.clientWidth;
    if (!room || (room === this.width && ratio === this.ratio)) return;
    this.width = room;
    this.ratio = ratio;
    const most = Math.round(14 * ratio);
    this.cell = Math.max(2, Math.min(most, Math.floor((room * ratio) / this.columns)));
    this.canvas.width = this.cell * this.columns;
    this.canvas.height = this.cell * this.rows;
    this.canvas.style.width = `${this.canvas.width / ratio}px`;
    this.data = this.context.createImageData(this.canvas.width, this.canvas.height);
    this.pixels = new Uint32Array(this.data.data.buffer);
  }

  draw(activities) {
    this.fit();
    if (!this.data) return;
    const { cell, columns, pixels } = this, width = this.canvas.width;
    const side = cell > 3 ? cell - 1 : cell;
    for (let unit = 0; unit < this.n; unit++) {
      const colour = palette.units[shade(activities[unit])];
      const corner = ((unit / columns) | 0) * cell * width + (unit % columns) * cell;
      for (let y = 0; y < side; y++) {
        const start = corner + y * width;
        pixels.fill(colour, start, start + side);
      }
    }
    this.context.putImageData(this.data, 0, 0);
  }

  /** The unit under a pointer, or -1. */
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * this.columns);
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.rows);
    const unit = row * this.columns + column;
    return column >= 0 && column < this.columns && unit >= 0 && unit < this.n ? unit : -1;
  }
}

/** The labels as valleys: the lower a label's free energy, the deeper. */
class Valleys {
  constructor(element, names) {
    this.names = names;
    this.depths = [];
    this.numbers = [];
    for (const name of names) {
      const column = document.createElement("div");
      column.className = "valley";
      column.innerHTML = '<div class="well"><div class="depth"></div></div><b></b><small></small>';
      column.querySelector("b").textContent = name;
      element.append(column);
      this.depths.push(column.querySelector(".depth"));
      this.numbers.push(column.querySelector("small"));
    }
    this.columns = [...element.children];
    this.element = element;
  }

  draw(energies) {
    let lowest = Infinity;
    for (let k = 0; k < energies.length; k++) lowest = Math.min(lowest, energies[k]);
    for (let k = 0; k < energies.length; k++) {
      const above = energies[k] - lowest;
      this.depths[k].style.transform = `scaleY(${Math.max(0, 1 - above / Valleys.HEIGHT)})`;
      this.columns[k].classList.toggle("lowest", above === 0);
      this.numbers[k].textContent = above === 0 ? "0" : `+${above.toFixed(above < 9.95 ? 1 : 0)}`;
    }
    const told = this.numbers.map((number, k) => `${this.names[k]}: ${number.textContent}`).join(", ");
    this.element.setAttribute("aria-label", `Free energies above the lowest, in nats: ${told}`);
  }
}
Valleys.HEIGHT = 15;  // nats from the bottom of the deepest to the edge

/** How much ink each chain has as its rounds go by, rounds on a logarithmic scale. */
class InkCurves {
  constructor(canvas, n, usual) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.usual = usual;
    this.curves = Array.from({ length: n }, () => []);
    this.rounds = [];
    this.next = 0;
  }

  clear() {
    this.rounds.length = this.next = 0;
    for (const curve of this.curves) curve.length = 0;
  }

  /** Notes the chains' ink, at rounds that lie evenly on the scale. */
  note(round, ink) {
    if (round < this.next) return;
    this.rounds.push(round);
    this.curves.forEach((curve, k) => curve.push(ink(k)));
    this.next = Math.max(round + 1, Math.floor((round + 1) * 1.04));
  }

  draw() {
    const { context, canvas } = this, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const [low, high] = this.usual, left = 34, right = 22, bottom = height - 22, most = 1.5 * high;
    const x = (round) => left + ((width - left - right) * Math.log10(1 + round)) / 4;
    const y = (ink) => bottom - ((bottom - 6) * Math.min(ink, most)) / most;
    context.fillStyle = palette.css("--band");
    context.fillRect(left, y(high), width - left - right, y(low) - y(high));
    context.fillStyle = context.strokeStyle = palette.css("--muted");
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    for (const round of [0, 10, 100, 1000, 10000]) {
      context.fillText(round.toLocaleString("en"), x(round), height - 6);
    }
    context.textAlign = "right";
    for (const ink of [0, low, high]) context.fillText(Math.round(ink), left - 5, y(ink) + 4);
    context.strokeStyle = palette.css("--accent");
    context.lineWidth = 1.2;
    context.globalAlpha = 0.75;
    for (const curve of this.curves) {
      context.beginPath();
      curve.forEach((ink, i) => context.lineTo(x(this.rounds[i]), y(ink)));
      context.stroke();
    }
    context.globalAlpha = 1;
  }
}
