/** Edits by hand: brush, eraser, pixels of other masks, and the removal of small holes and islands. */

import { difference, fromRle, union } from "./bitmap.js";
import { paintStroke } from "./brush.js";
import { removeSmallRegions } from "./small_regions.js";

/** Apply one edit to a mask. */
export function applyEdit(bitmap, edit) {
  if (edit.kind === "clean") return removeSmallRegions(bitmap, edit.holes, edit.islands).bitmap;
  if (edit.kind === "add") return union(bitmap, fromRle(edit.rle));
  if (edit.kind === "cut") return difference(bitmap, fromRle(edit.rle));
  return paintStroke(bitmap, edit.path, edit.size, edit.kind === "brush" ? 1 : 0);
}
