/** The zoom window: where the view is zoomed in on a large image, the server encodes the visible part by itself. */

import { S } from "../core/strings.js";
import { toImage } from "../core/viewport.js";

const REST = 250; // milliseconds that the view has to stand still
const FINER = 2; // how many times as fine as the whole image it has to be; the server's rule, too
const MODEL_SIDE = 1024;

export class ZoomWindow {
  /** @param {HTMLElement} label says what is going on */
  constructor(label) {
    this.label = label;
    this.visible = null; // [x0, y0, x1, y1], whole pixels, or null where it would show no more than the whole image
    this.timer = 0;
    this.turn = 0;
  }

  /**
   * The view has changed.
   *
   * @param {object} stage image, viewport and size
   * @param {(window: number[]) => Promise<number[] | null>} encode has the server encode a window
   */
  at(stage, encode) {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    this.visible = visibleOf(stage);
    this.#say("");
    if (!this.visible) return;
    this.timer = setTimeout(async () => {
      this.#say(S.encodingWindow);
      const window = await encode(this.visible).catch(() => null); // a click tries again, and says what is wrong
      if (turn === this.turn) this.#say(window ? S.closeUp : "");
    }, REST);
  }

  #say(text) {
    this.label.textContent = text;
    this.label.hidden = !text;
  }
}

function visibleOf({ image, viewport, size }) {
  if (!image) return null;
  const [low, high] = [toImage(viewport, { x: 0, y: 0 }), toImage(viewport, { x: size.width, y: size.height })];
  const [x0, y0] = [Math.max(0, Math.floor(low.x)), Math.max(0, Math.floor(low.y))];
  const [x1, y1] = [Math.min(image.width, Math.ceil(high.x)), Math.min(image.height, Math.ceil(high.y))];
  if (x1 <= x0 || y1 <= y0) return null;
  const longest = Math.max(x1 - x0, y1 - y0, MODEL_SIDE);
  return Math.max(image.width, image.height) >= FINER * longest ? [x0, y0, x1, y1] : null;
}
