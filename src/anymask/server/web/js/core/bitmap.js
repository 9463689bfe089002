/** A mask in the browser: one byte for each pixel of its tight box, rows from the top, in the image's own size. */

import { formatCounts, parseCounts } from "./rle.js";

/**
 * @typedef {object} Bitmap
 * @property {number} width of the image
 * @property {number} height of the image
 * @property {number} x left edge of the box
 * @property {number} y upper edge of the box
 * @property {number} columns of the box
 * @property {number} rows of the box
 * @property {Uint8Array} data 0 or 1, rows × columns
 * @property {number} area in pixels
 */

/**
 * @typedef {object} ObjectMask
 * @property {Bitmap} bitmap
 * @property {object | null} rle as the server sent it
 * @property {number | null} score predicted IoU, 0 to 1
 * @property {number | null} stability 0 to 1
 * @property {boolean | null} follows_prompt whether the mask follows every click and the box
 * @property {string | null} logits the server's id of the low-resolution mask, on which the next click builds
 * @property {boolean} [byHand] whether an edit by hand changed it
 */

/** @returns {Bitmap} with nothing in it */
export function emptyBitmap(width, height) {
  return { width, height, x: 0, y: 0, columns: 0, rows: 0, data: new Uint8Array(0), area: 0 };
}

/** Decode {size: [height, width], counts}. @returns {Bitmap} */
export function fromRle({ size: [height, width], counts }) {
  const runs = typeof counts === "string" ? parseCounts(counts) : counts;
  const box = boxOfRuns(runs, height);
  if (!box) return emptyBitmap(width, height);
  const { x, y, columns, rows } = box;
  const data = new Uint8Array(columns * rows);
  let at = 0;
  let area = 0;
  runs.forEach((run, index) => {
    if (index % 2) {
      area += run;
      for (let left = run, place = at; left > 0;) {
        const column = Math.floor(place / height);
        const row = place - column * height;
        const step = Math.min(left, height - row);
        let target = (row - y) * columns + column - x;
        for (let n = 0; n < step; n++, target += columns) data[target] = 1;
        place += step;
        left -= step;
      }
    }
    at += run;
  });
  return { width, height, x, y, columns, rows, data, area };
}

function boxOfRuns(runs, height) {
  let at = 0;
  let [left, right, top, bottom] = [Infinity, -1, Infinity, -1];
  runs.forEach((run, index) => {
    if (index % 2 && run) {
      const last = at + run - 1;
      const [first, final] = [Math.floor(at / height), Math.floor(last / height)];
      left = Math.min(left, first);
      right = Math.max(right, final);
      top = Math.min(top, first === final ? at - first * height : 0);
      bottom = Math.max(bottom, first === final ? last - final * height : height - 1);
    }
    at += run;
  });
  return right < 0 ? null : { x: left, y: top, columns: right - left + 1, rows: bottom - top + 1 };
}

/** Encode a bitmap. @param {Bitmap} bitmap @returns {{size: [number, number], counts: string}} */
export function toRle(bitmap) {
  const { width, height, x, y, columns, rows, data } = bitmap;
  const runs = [];
  let inside = 0;
  let start = 0; // where the present run began
  const turn = (place) => {
    runs.push(place - start);
    start = place;
    inside = 1 - inside;
  };
  for (let column = 0; column < columns; column++) {
    const base = (column + x) * height + y;
    for (let row = 0, at = column; row < rows; row++, at += columns) {
      if (data[at] !== inside) turn(base + row);
    }
    if (inside && rows < height) turn(base + rows);
  }
  if (inside && x + columns < width) turn((x + columns) * height);
  if (start < width * height || !runs.length) runs.push(width * height - start);
  return { size: [height, width], counts: formatCounts(runs) };
}

const reductions = new WeakMap(); // by bitmap: itself in another size

/** The same mask of an image of another size: each pixel takes the value of the nearest one. @param {Bitmap} bitmap */
export function resized(bitmap, width, height) {
  if (bitmap.width === width && bitmap.height === height) return bitmap;
  if (!bitmap.columns) return emptyBitmap(width, height);
  const known = reductions.get(bitmap);
  if (known?.width === width && known.height === height) return known;
  const [across, down] = [bitmap.width / width, bitmap.height / height];
  const x = Math.floor(bitmap.x / across);
  const y = Math.floor(bitmap.y / down);
  const columns = Math.min(width, Math.ceil((bitmap.x + bitmap.columns) / across)) - x;
  const rows = Math.min(height, Math.ceil((bitmap.y + bitmap.rows) / down)) - y;
  const result = { width, height, x, y, columns, rows, data: new Uint8Array(columns * rows), area: 0 };
  for (let row = 0; row < rows; row++) {
    const from = Math.floor((y + row + 0.5) * down) - bitmap.y;
    if (from < 0 || from >= bitmap.rows) continue;
    for (let column = 0; column < columns; column++) {
      const place = Math.floor((x + column + 0.5) * across) - bitmap.x;
      if (place < 0 || place >= bitmap.columns || !bitmap.data[from * bitmap.columns + place]) continue;
      result.data[row * columns + column] = 1;
      result.area++;
    }
  }
  reductions.set(bitmap, result);
  return result;
}

/** Whether a pixel is inside. @param {Bitmap} bitmap */
export function has(bitmap, px, py) {
  const [column, row] = [px - bitmap.x, py - bitmap.y];
  if (column < 0 || row < 0 || column >= bitmap.columns || row >= bitmap.rows) return false;
  return bitmap.data[row * bitmap.columns + column] === 1;
}

/** The same mask in a box that contains [x0, y0, x1, y1], in data of its own. */
export function expand(bitmap, x0, y0, x1, y1) {
  const { width, height } = bitmap;
  const full = bitmap.columns > 0;
  const left = Math.max(0, Math.min(x0, full ? bitmap.x : x0));
  const top = Math.max(0, Math.min(y0, full ? bitmap.y : y0));
  const right = Math.min(width, Math.max(x1, full ? bitmap.x + bitmap.columns : x1));
  const bottom = Math.min(height, Math.max(y1, full ? bitmap.y + bitmap.rows : y1));
  const columns = Math.max(0, right - left);
  const rows = Math.max(0, bottom - top);
  const data = new Uint8Array(columns * rows);
  for (let row = 0; row < bitmap.rows; row++) {
    const from = bitmap.data.subarray(row * bitmap.columns, (row + 1) * bitmap.columns);
    data.set(from, (row + bitmap.y - top) * columns + bitmap.x - left);
  }
  return { width, height, x: left, y: top, columns, rows, data, area: bitmap.area };
}

/** The same mask in its tight box, with its area. */
export function tighten(bitmap) {
  const { columns, rows, data } = bitmap;
  let [left, right, top, bottom, area] = [columns, -1, -1, -1, 0];
  for (let row = 0; row < rows; row++) {
    const line = data.subarray(row * columns, (row + 1) * columns);
    const first = line.indexOf(1);
    if (first < 0) continue;
    if (top < 0) top = row;
    bottom = row;
    left = Math.min(left, first);
    right = Math.max(right, line.lastIndexOf(1));
    for (let column = first; column < columns; column++) area += line[column];
  }
  if (right < 0) return emptyBitmap(bitmap.width, bitmap.height);
  const tight = {
    ...bitmap,
    x: bitmap.x + left,
    y: bitmap.y + top,
    columns: right - left + 1,
    rows: bottom - top + 1,
    area,
  };
  tight.data = new Uint8Array(tight.columns * tight.rows);
  for (let row = 0; row < tight.rows; row++) {
    const start = (row + top) * columns + left;
    tight.data.set(data.subarray(start, start + tight.columns), row * tight.columns);
  }
  return tight;
}

/** Intersection over union of two masks of one image. */
export function iou(a, b) {
  const [x0, y0] = [Math.max(a.x, b.x), Math.max(a.y, b.y)];
  const [x1, y1] = [Math.min(a.x + a.columns, b.x + b.columns), Math.min(a.y + a.rows, b.y + b.rows)];
  let shared = 0;
  for (let row = y0; row < y1; row++) {
    let atA = (row - a.y) * a.columns + x0 - a.x;
    let atB = (row - b.y) * b.columns + x0 - b.x;
    for (let column = x0; column < x1; column++) shared += a.data[atA++] & b.data[atB++];
  }
  const union = a.area + b.area - shared;
  return union ? shared / union : 1;
}

/** What is in the first mask and not in the second. */
export function difference(a, b) {
  const data = a.data.slice();
  const [x0, y0] = [Math.max(a.x, b.x), Math.max(a.y, b.y)];
  const [x1, y1] = [Math.min(a.x + a.columns, b.x + b.columns), Math.min(a.y + a.rows, b.y + b.rows)];
  for (let row = y0; row < y1; row++) {
    let atA = (row - a.y) * a.columns + x0 - a.x;
    let atB = (row - b.y) * b.columns + x0 - b.x;
    for (let column = x0; column < x1; column++) data[atA++] &= 1 - b.data[atB++];
  }
  return tighten({ ...a, data });
}

/** What is in either of two masks. */
export function union(a, b) {
  if (!b.columns) return a;
  const result = expand(a, b.x, b.y, b.x + b.columns, b.y + b.rows);
  for (let row = 0; row < b.rows; row++) {
    let at = (row + b.y - result.y) * result.columns + b.x - result.x;
    for (let from = row * b.columns; from < (row + 1) * b.columns; from++) result.data[at++] |= b.data[from];
  }
  return tighten(result);
}

/** Whether two masks share a pixel. */
export function overlap(a, b) {
  const [x0, y0] = [Math.max(a.x, b.x), Math.max(a.y, b.y)];
  const [x1, y1] = [Math.min(a.x + a.columns, b.x + b.columns), Math.min(a.y + a.rows, b.y + b.rows)];
  for (let row = y0; row < y1; row++) {
    let atA = (row - a.y) * a.columns + x0 - a.x;
    let atB = (row - b.y) * b.columns + x0 - b.x;
    for (let column = x0; column < x1; column++) if (a.data[atA++] & b.data[atB++]) return true;
  }
  return false;
}
