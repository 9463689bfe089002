/** What the page shows besides objects: the tool, the cursor, drafts and previews. Undo does not touch it. */

/** @typedef {{x: number, y: number}} Pixel whole pixel of the image */

/**
 * @typedef {object} Stroke
 * @property {"brush" | "erase"} kind
 * @property {number[][]} path pixels [x, y], in order
 * @property {import("./bitmap.js").Bitmap} bitmap the mask with the stroke so far
 */

export class ViewState {
  constructor() {
    /** @type {"select" | "brush" | "erase" | "pan"} */
    this.tool = "select";
    /** Whether clicks exclude. */
    this.exclude = false;
    /** Diameter of the brush in pixels of the image. */
    this.brushSize = 12;
    /** @type {Pixel | null} under the mouse */
    this.pointer = null;
    /** @type {Set<number>} ids of the selected objects */
    this.selected = new Set();
    /** @type {number | null} id of the accepted object under the cursor, here or in the list */
    this.lit = null;
    /** Opacity of the fill of accepted objects, 0 to 1. */
    this.fill = 0.2;
    /** @type {Pixel | null} the keyboard's cursor */
    this.crosshair = null;
    /** @type {Pixel | null} first corner of a box that the keyboard draws */
    this.corner = null;
    /** @type {number[] | null} box [x0, y0, x1, y1] while it is drawn */
    this.draft = null;
    /** @type {Stroke | null} while it is painted */
    this.stroke = null;
    /** @type {number | null} index of the step whose marker is pressed */
    this.pressedMarker = null;
    /** @type {{index: number, place: Pixel} | null} a marker while it moves */
    this.drag = null;
    /** @type {{filled: import("./bitmap.js").Bitmap, dropped: import("./bitmap.js").Bitmap} | null} preview of the clean-up */
    this.clean = null;
    /** @type {import("./bitmap.js").ObjectMask | null} the alternative under the mouse */
    this.alternative = null;
  }

  /** Forget what belongs to the image before. */
  reset() {
    this.crosshair = this.corner = this.draft = this.clean = this.lit = null;
    this.selected.clear();
  }
}
