/** Edits by hand: brush, eraser, and the removal of small holes and islands. */

import { paintStroke } from "./brush.js";
import { removeSmallRegions } from "./small_regions.js";

/** Apply one edit to a mask. */
export function applyEdit(bitmap, edit) {
  if (edit.kind === "clean") return removeSmallRegions(bitmap, edit.holes, edit.islands).bitmap;
  return paintStroke(bitmap, edit.path, edit.size, edit.kind === "brush" ? 1 : 0);
}
