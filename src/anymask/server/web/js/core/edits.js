/** Edits by hand: brush, eraser, and the removal of small holes and islands. */

import { stroked } from "./brush.js";
import { cleaned } from "./small_regions.js";

/** Apply one edit to a mask. */
export function edited(bitmap, edit) {
  if (edit.kind === "clean") return cleaned(bitmap, edit.holes, edit.islands).bitmap;
  return stroked(bitmap, edit.path, edit.size, edit.kind === "brush" ? 1 : 0);
}
