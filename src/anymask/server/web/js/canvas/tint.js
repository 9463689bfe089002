/** Masks as coloured canvases of their own size, made once for each colour. */

import { regionColour } from "../core/palette.js";

const tints = new WeakMap();
const overviews = new WeakMap(); // by list of regions

/** A canvas as large as the mask's box, its pixels in one colour. */
export function tint(bitmap, [red, green, blue], alpha) {
  const key = `${red},${green},${blue},${alpha}`;
  if (!tints.has(bitmap)) tints.set(bitmap, new Map());
  const canvases = tints.get(bitmap);
  if (!canvases.has(key)) {
    canvases.clear(); // a mask has one colour at a time
    canvases.set(key, paintTint(bitmap, [red, green, blue], alpha));
  }
  return canvases.get(key);
}

/** Colours of the machine's byte order, for pixels written four bytes at once. */
export function pixel([red, green, blue], alpha) {
  return new Uint32Array(new Uint8ClampedArray([red, green, blue, Math.round(alpha * 255)]).buffer)[0];
}

function paintTint({ columns, rows, data }, colour, alpha) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, columns);
  canvas.height = Math.max(1, rows);
  if (!columns) return canvas;
  const context = canvas.getContext("2d");
  const imageData = context.createImageData(columns, rows);
  const pixels = new Uint32Array(imageData.data.buffer);
  const value = pixel(colour, alpha);
  for (let at = 0; at < data.length; at++) if (data[at]) pixels[at] = value;
  context.putImageData(imageData, 0, 0);
  return canvas;
}

/** One image of many masks, the smaller ones above, at most `limit` pixels large: an overview. */
function overview(image, masks, colourOf, alpha, limit = 2e6) {
  const step = Math.max(1, Math.ceil(Math.sqrt((image.width * image.height) / limit)));
  const [width, height] = [Math.ceil(image.width / step), Math.ceil(image.height / step)];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const imageData = context.createImageData(width, height);
  const pixels = new Uint32Array(imageData.data.buffer);
  const order = masks.map((_, index) => index).sort((a, b) => masks[b].area - masks[a].area);
  for (const index of order) paintSampled(pixels, width, step, masks[index], pixel(colourOf(index), alpha));
  context.putImageData(imageData, 0, 0);
  return { canvas, width: width * step, height: height * step };
}

function paintSampled(pixels, width, step, { x, y, columns, rows, data }, value) {
  for (let row = Math.ceil(y / step); row * step < y + rows; row++) {
    const base = (row * step - y) * columns - x;
    for (let column = Math.ceil(x / step); column * step < x + columns; column++) {
      if (data[base + column * step]) pixels[row * width + column] = value;
    }
  }
}

/** All regions of everything mode in one image, made once for each list. @param {import("../core/regions.js").Regions} regions */
export function regionOverview({ image, all }) {
  if (!overviews.has(all)) {
    const bitmaps = all.map((region) => region.bitmap);
    overviews.set(all, overview(image, bitmaps, regionColour, 0.5));
  }
  return overviews.get(all);
}
