/** Brush and eraser: which pixels a stroke covers, in whole numbers, so that Python paints the very same ones. */

import { expand, tighten } from "./bitmap.js";

/** Paint or erase along a path.
 *
 * A pixel is covered if its distance to the path is at most half the size: `anymask.prediction.prompt_log` has the same rule.
 *
 * @param {import("./bitmap.js").Bitmap} bitmap not changed
 * @param {number[][]} path pixels (x, y), whole numbers
 * @param {number} size of the brush across, in pixels
 * @param {0|1} value what covered pixels become
 */
export function paintStroke(bitmap, path, size, value) {
  const reach = Math.ceil(size / 2);
  const xs = path.map((point) => point[0]);
  const ys = path.map((point) => point[1]);
  const [x0, y0] = [Math.min(...xs) - reach, Math.min(...ys) - reach];
  const [x1, y1] = [Math.max(...xs) + reach + 1, Math.max(...ys) + reach + 1];
  const target = value ? expand(bitmap, x0, y0, x1, y1) : expand(bitmap, bitmap.x, bitmap.y, bitmap.x, bitmap.y);
  for (let n = 0; n < Math.max(1, path.length - 1); n++) {
    paintSegment(target, path[n], path[Math.min(n + 1, path.length - 1)], size, value);
  }
  return tighten(target);
}

function paintSegment(target, [ax, ay], [bx, by], size, value) {
  const reach = Math.ceil(size / 2);
  const left = Math.max(target.x, Math.min(ax, bx) - reach);
  const right = Math.min(target.x + target.columns - 1, Math.max(ax, bx) + reach);
  const top = Math.max(target.y, Math.min(ay, by) - reach);
  const bottom = Math.min(target.y + target.rows - 1, Math.max(ay, by) + reach);
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const limit = size * size;
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const along = (x - ax) * dx + (y - ay) * dy;
      let covered; // four times the squared distance to the segment against the squared size
      if (along <= 0) covered = 4 * ((x - ax) ** 2 + (y - ay) ** 2) <= limit;
      else if (along >= length) covered = 4 * ((x - bx) ** 2 + (y - by) ** 2) <= limit;
      else covered = 4 * ((x - ax) * dy - (y - ay) * dx) ** 2 <= limit * length;
      if (covered) target.data[(y - target.y) * target.columns + x - target.x] = value;
    }
  }
}
