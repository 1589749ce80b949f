// A pad to draw on, by pointer or by keys, and the image that the net is given of a drawing.

/** Draws a stroke, scaled and moved; one of a single point as a dot. */
function trace(context, stroke, scale, x, y) {
  context.beginPath();
  for (const [px, py] of stroke) context.lineTo(scale * px + x, scale * py + y);
  context.lineTo(scale * stroke.at(-1)[0] + x + 0.01, scale * stroke.at(-1)[1] + y);
  context.stroke();
}

/** Strokes as an image of `shape`: fitted into a box and centred by mass, as MNIST's digits were. */
class Rasteriser {
  constructor([rows, columns]) {
    this.rows = rows;
    this.columns = columns;
    this.box = Math.min(rows, columns) * (20 / 28);  // "size normalized to fit in a 20x20 pixel box"
    this.pen = Math.min(rows, columns) * (2.3 / 28);  // how thick a stroke is
    this.canvas = document.createElement("canvas");
    this.canvas.width = columns * Rasteriser.FINE;
    this.canvas.height = rows * Rasteriser.FINE;
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.image = new Float64Array(rows * columns);
  }

  /** Strokes are lists of points [x, y] in [0, 1]; the image's pixels are in [0, 1]. */
  imageOf(strokes, centred) {
    if (!strokes.length) return this.image.fill(0);
    if (!centred) return this.paint(strokes, this.columns, 0, 0);
    let left = 1, right = 0, top = 1, bottom = 0;
    for (const [x, y] of strokes.flat()) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
    const extent = Math.max(right - left, bottom - top, 0.15);  // a dot stays small
    const scale = (this.box - this.pen) / extent;
    let x = this.columns / 2 - (scale * (left + right)) / 2;
    let y = this.rows / 2 - (scale * (top + bottom)) / 2;
    this.paint(strokes, scale, x, y);
    let mass = 0, massX = 0, massY = 0;
    this.image.forEach((ink, i) => {
      mass += ink;
      massX += ink * ((i % this.columns) + 0.5);
      massY += ink * (Math.floor(i / this.columns) + 0.5);
    });
    x += this.columns / 2 - massX / mass;
    y += this.rows / 2 - massY / mass;
    return this.paint(strokes, scale, x, y);
  }

  paint(strokes, scale, x, y) {
    const { context, canvas, rows, columns } = this, fine = Rasteriser.FINE;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.setTransform(fine, 0, 0, fine, 0, 0);
    context.strokeStyle = "#fff";
    context.lineWidth = this.pen;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) trace(context, stroke, scale, x, y);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let row = 0, i = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, i++) {
        let sum = 0;
        for (let u = 0; u < fine; u++) {
          for (let v = 0; v < fine; v++) {
            sum += data[4 * ((row * fine + u) * canvas.width + column * fine + v)];
          }
        }
        this.image[i] = sum / (255 * fine * fine);
      }
    }
    return this.image;
  }
}
Rasteriser.FINE = 6;  // points a pixel, in each direction

/** The canvas that is drawn on; calls `changed` with the strokes. */
class Pad {
  constructor(canvas, shape, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.below = new Picture(document.createElement("canvas"), shape);
    this.shown = null;  // a test digit, until something is drawn
    this.strokes = [];
    this.stroke = null;
    this.cursor = null;  // where the keys are, and whether they draw
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => (this.stroke = null));
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => ((this.cursor = null), this.draw()));
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const inside = (value) => Math.min(1, Math.max(0, value));
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  }

  down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.cursor = null;
    this.begin(this.point(event));
  }

  move(event) {
    if (!this.stroke) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) this.stroke.push(this.point(each));
    this.update();
  }

  /** A test digit in place of what was drawn. */
  show(image) {
    this.strokes.length = 0;
    this.stroke = null;
    this.shown = image;
    this.draw();
  }

  begin(point) {
    this.shown = null;
    this.stroke = [point];
    this.strokes.push(this.stroke);
    this.update();
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      this.cursor ??= { at: [0.5, 0.5], drawing: false };
      const at = this.cursor.at.map((value, axis) => Math.min(0.97, Math.max(0.03, value + step[axis] / 24)));
      this.cursor.at = at;
      if (this.cursor.drawing) this.stroke.push(at);
    } else if (event.key === " " || event.key === "Enter") {
      this.cursor ??= { at: [0.5, 0.5], drawing: false };
      this.cursor.drawing = !this.cursor.drawing;
      if (this.cursor.drawing) this.begin([...this.cursor.at]);
      else this.stroke = null;
    } else if (event.key === "Backspace") {
      this.undo();
    } else {
      return;
    }
    event.preventDefault();
    this.update();
  }

  undo() {
    this.keep(this.strokes.length - 1);
  }

  clear() {
    this.keep(0);
  }

  keep(n) {
    this.strokes.length = Math.max(0, n);
    this.stroke = this.shown = null;
    if (this.cursor) this.cursor.drawing = false;
    this.update();
  }

  update() {
    this.draw();
    this.changed(this.strokes);
  }

  draw() {
    const { canvas } = this, context = canvas.getContext("2d"), size = canvas.width;
    context.clearRect(0, 0, size, size);
    if (this.shown) {
      this.below.draw(this.shown);
      const { canvas: image } = this.below, scale = size / Math.max(image.width, image.height);
      context.imageSmoothingEnabled = false;
      context.drawImage(image, 0, 0, scale * image.width, scale * image.height);
    }
    context.strokeStyle = context.fillStyle = palette.css("--ink");
    context.lineWidth = size * (2.3 / 28);
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) trace(context, stroke, size, 0, 0);
    if (this.cursor) {
      context.fillStyle = context.strokeStyle = palette.css("--accent");
      context.lineWidth = 3;
      context.beginPath();
      context.arc(...this.cursor.at.map((value) => size * value), size / 32, 0, 7);
      if (this.cursor.drawing) context.fill();
      else context.stroke();
    }
  }
}
