/** The image without the selected objects, beside the image as it is; the result is a file, the image stays. */

import { hideError, showError } from "../ui/live_region.js";
import { toRle } from "../core/bitmap.js";
import { byId } from "../ui/dom.js";
import { fileName } from "../core/snippets.js";
import { copyImage, download } from "../net/download.js";
import { S } from "../core/strings.js";

const WIDE = 1 / 12; // of the image's shorter side: an object of that width hides more than its surroundings show
const SHOWN = 1600; // pixels of the comparison at most
const WAIT = 250; // milliseconds without a change of the margin

export class InpaintDialog {
  /** @param {import("../app.js").App} app @param {import("../selection.js").Selection} selection */
  constructor(app, selection) {
    this.app = app;
    this.selection = selection;
    this.turn = 0;
    byId("inpaint").onclick = () => this.open();
    byId("inpaint-split").oninput = (event) => this.#divide(event.target.value);
    byId("inpaint-margin").oninput = () => this.#changeMargin();
    byId("inpaint-save").onclick = () => this.#save();
    byId("inpaint-copy").onclick = () => this.#copy();
    byId("inpaint-close").onclick = () => byId("inpaint-dialog").close();
    byId("inpaint-dialog").onclose = () => this.#clear();
  }

  /** @param {boolean} active whether an object is being made or edited */
  show(active) {
    byId("inpaint").hidden = !active && !this.selection.ids.length;
    byId("inpaint").disabled = active && !this.app.masks?.latest(this.app.active);
  }

  /** Open the window for the object at hand, or for those that are selected. */
  async open() {
    const { app } = this;
    const objects = app.active ? [app.active] : app.state.objects.filter(({ id }) => this.selection.ids.includes(id));
    this.#clear();
    const { turn } = this;
    byId("inpaint-dialog").showModal();
    try {
      const bitmaps = (await Promise.all(objects.map((object) => app.masks.fetch(object)))).map(({ bitmap }) => bitmap);
      if (turn !== this.turn) return;
      if (!bitmaps.some(({ area }) => area)) throw Object.assign(new Error(S.inpaintNothing), { expected: true });
      this.image = app.image;
      this.masks = bitmaps.map((bitmap) => ({ rle: toRle(bitmap) }));
      this.part = surroundings(bitmaps, app.image);
      const isWide = bitmaps.some((bitmap) => widthOf(bitmap) > WIDE * Math.min(app.image.width, app.image.height));
      byId("inpaint-hint").textContent = S.inpaintHint(isWide);
      byId("inpaint-margin").value = Math.round(marginOf(bitmaps));
      this.#showMargin();
      byId("inpaint-view").style.setProperty("--aspect", String(this.part.width / this.part.height));
      this.#draw("inpaint-before", app.image.pixels, app.image.width / app.image.pixels.width);
      await this.#fill();
    } catch (error) {
      if (turn === this.turn) this.#fail(error);
    }
  }

  async #fill() {
    const { app, image, masks } = this;
    const turn = this.#begin();
    hideError("inpaint-error");
    byId("inpaint-done").textContent = S.inpaintRunning;
    this.#setResult(null);
    try {
      const options = { grow: Number(byId("inpaint-margin").value) };
      const png = await app.withImage(() => app.api.inpaint(image.id, masks, options, this.request.signal));
      const pixels = await createImageBitmap(png);
      if (turn === this.turn) {
        this.#draw("inpaint-after", pixels, 1);
        this.#setResult(png);
        byId("inpaint-done").textContent = S.inpaintReady;
      }
      pixels.close();
    } catch (error) {
      if (turn === this.turn) this.#fail(error);
    }
  }

  #changeMargin() {
    this.#showMargin();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.masks && this.#fill(), WAIT);
  }

  #showMargin() {
    byId("inpaint-margin-text").textContent = S.pixels(Number(byId("inpaint-margin").value));
  }

  /** Show the image left of a line, and the result right of it. @param {number} percent where the line is */
  #divide(percent) {
    byId("inpaint-view").style.setProperty("--divide", `${percent}%`);
  }

  /** Draw the part around the objects. @param {number} scale pixels of the image for each of these pixels */
  #draw(id, pixels, scale) {
    const { x, y, width, height } = this.part;
    const canvas = byId(id);
    const factor = Math.min(1, SHOWN / Math.max(width, height));
    canvas.width = Math.max(1, Math.round(width * factor));
    canvas.height = Math.max(1, Math.round(height * factor));
    const part = [x, y, width, height].map((length) => length / scale);
    canvas.getContext("2d").drawImage(pixels, ...part, 0, 0, canvas.width, canvas.height);
  }

  #setResult(png) {
    this.png = png;
    byId("inpaint-save").disabled = byId("inpaint-copy").disabled = png === null;
    byId("inpaint-after").hidden = png === null;
  }

  #save() {
    const name = `${fileName(this.image.name.replace(/\.[^.]+$/, ""))}-inpainted.png`;
    download(this.png, name);
    byId("inpaint-done").textContent = S.saved(name);
  }

  async #copy() {
    try {
      await copyImage(Promise.resolve(this.png));
      byId("inpaint-done").textContent = S.inpaintCopied;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    byId("inpaint-done").textContent = "";
    showError("inpaint-error", error);
  }

  /** End what is under way. @returns {number} the turn, which is another one once something else begins */
  #begin() {
    this.request?.abort();
    this.request = new AbortController();
    return ++this.turn;
  }

  #clear() {
    this.#begin();
    clearTimeout(this.timer);
    this.masks = this.part = this.image = null;
    this.#setResult(null);
    hideError("inpaint-error");
    byId("inpaint-done").textContent = byId("inpaint-hint").textContent = "";
    byId("inpaint-before").width = byId("inpaint-before").height = 1;
    byId("inpaint-split").value = 50;
    this.#divide(50);
  }
}

/** The width of a mask, on average over its longer side. */
const widthOf = ({ area, columns, rows }) => area / Math.max(columns, rows, 1);

/** The box around masks: [x0, y0, x1, y1] in pixels. */
function boxAround(bitmaps) {
  const filled = bitmaps.filter(({ columns, rows }) => columns && rows);
  return [
    Math.min(...filled.map(({ x }) => x)),
    Math.min(...filled.map(({ y }) => y)),
    Math.max(...filled.map(({ x, columns }) => x + columns)),
    Math.max(...filled.map(({ y, rows }) => y + rows)),
  ];
}

/** The server's own margin: 2.5 % of the size of the objects, at least 4 pixels. */
function marginOf(bitmaps) {
  const [x0, y0, x1, y1] = boxAround(bitmaps);
  return Math.max(4, 0.025 * Math.hypot(x1 - x0, y1 - y0));
}

/** The part of the image that is compared: the objects and as much around them. */
function surroundings(bitmaps, image) {
  const [x0, y0, x1, y1] = boxAround(bitmaps);
  const room = Math.max(64, (x1 - x0) / 2, (y1 - y0) / 2);
  const x = Math.max(0, Math.floor(x0 - room));
  const y = Math.max(0, Math.floor(y0 - room));
  return { x, y, width: Math.min(image.width, Math.ceil(x1 + room)) - x, height: Math.min(image.height, Math.ceil(y1 + room)) - y };
}
