/** The size of brush and eraser: a slider that is there while one of them is in use. */

import { byId } from "../ui/dom.js";
import { say } from "../ui/live_region.js";
import { S } from "../core/strings.js";

const SIZES = [1, 2, 3, 5, 8, 12, 18, 26, 40, 60, 90, 130];

export class BrushControl {
  /** @param {import("../core/view_state.js").ViewState} view @param {() => void} draw */
  constructor(view, draw) {
    this.view = view;
    this.draw = draw;
    this.slider = byId("brush-size");
    this.slider.max = SIZES.length - 1;
    this.slider.addEventListener("input", () => this.#set(Number(this.slider.value)));
    this.show();
  }

  /** Larger (1) or smaller (-1). */
  step(by) {
    this.#set(Math.max(0, Math.min(SIZES.length - 1, SIZES.indexOf(this.view.brushSize) + by)));
    say(`${S.brushSize}: ${S.pixels(this.view.brushSize)}`);
  }

  show() {
    const { tool, brushSize } = this.view;
    byId("brush").hidden = tool !== "brush" && tool !== "erase";
    this.slider.value = SIZES.indexOf(brushSize);
    this.slider.setAttribute("aria-valuetext", S.pixels(brushSize));
    byId("brush-pixels").textContent = S.pixels(brushSize);
  }

  #set(at) {
    this.view.brushSize = SIZES[at];
    this.show();
    this.draw();
  }
}
