/** Drawing the stage: the image, masks without smoothing when magnified, and prompts on top. */

import { resized } from "../core/bitmap.js";
import { outline } from "../core/outline.js";
import { tint } from "./tint.js";
import { toScreen } from "../core/viewport.js";

const FILL = 0.45;
const SCREEN_SIDE = 2048; // pixels that the longer side of an image has on a screen
const INCLUDE = "#0f9d34";
const EXCLUDE = "#d8141c";
const GRID_FROM = 14; // screen pixels per pixel of the image

/** @param {CanvasRenderingContext2D} context @param {object} scene from `Stage` */
export function paintStage(context, scene) {
  const { ratio, viewport, image } = scene;
  const { width, height } = context.canvas;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!image) return;
  context.drawImage(backdropOf(context, scene), 0, 0);
  inImage(context, ratio, viewport);
  if (scene.overview) {
    context.imageSmoothingEnabled = viewport.scale * ratio < 1;
    context.drawImage(scene.overview.canvas, 0, 0, scene.overview.width, scene.overview.height);
  }
  for (const layer of scene.layers) paintMask(context, layer, scene);
  if (viewport.scale >= GRID_FROM) paintGrid(context, scene);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const { box, faint } of scene.boxes ?? []) paintBox(context, scene, box, faint);
  for (const marker of scene.markers) paintMarker(context, scene, marker);
  if (scene.draft) paintBox(context, scene, scene.draft, true);
  if (scene.brush) paintBrush(context, viewport, scene.brush);
  if (scene.crosshair) paintCrosshair(context, viewport, scene.crosshair, scene.stage);
}

const backdrops = new WeakMap(); // by context: the image as it was last drawn

/** The image alone at this place and size: scaling it is most of the work, and a mask that changes needs none of it. */
function backdropOf(context, { image, viewport, ratio }) {
  const { width, height } = context.canvas;
  const { scale, x, y } = viewport;
  const key = [width, height, ratio, scale, x, y].join();
  let backdrop = backdrops.get(context);
  if (backdrop?.key === key && backdrop.pixels === image.pixels) return backdrop.canvas;
  const canvas = backdrop?.canvas ?? document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height]; // clears it, too
  const own = canvas.getContext("2d");
  inImage(own, ratio, viewport);
  own.imageSmoothingEnabled = scale * ratio < 3;
  own.imageSmoothingQuality = scale * ratio < 1 ? "high" : "low";
  own.drawImage(image.pixels, 0, 0, image.width, image.height);
  backdrop = { key, pixels: image.pixels, canvas };
  backdrops.set(context, backdrop);
  return canvas;
}

function inImage(context, ratio, { scale, x, y }) {
  context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
}

/** One mask: its colour over the image, its edge in the colour with a dark rim. */
function paintMask(context, { bitmap: full, colour: rgb, alpha = FILL, strong = false, edge = true }, { image, viewport, ratio, unit }) {
  const bitmap = reduced(full, viewport.scale * ratio);
  if (!bitmap.columns) return;
  context.save();
  const enlarged = image.width / bitmap.width; // a preview may be smaller than the image
  context.scale(enlarged, image.height / bitmap.height);
  context.imageSmoothingEnabled = viewport.scale * ratio * enlarged < 1;
  if (alpha) context.drawImage(tint(bitmap, rgb, alpha), bitmap.x, bitmap.y, bitmap.columns, bitmap.rows);
  if (edge) paintEdge(context, bitmap, rgb, strong, unit / (viewport.scale * enlarged));
  context.restore();
}

/** A mask in a size that is enough where the whole image is on the screen: to colour all pixels of a large one takes long. */
function reduced(bitmap, scale) {
  const side = Math.max(bitmap.width, bitmap.height);
  if (side <= SCREEN_SIDE || side * scale > SCREEN_SIDE) return bitmap;
  const size = (pixels) => Math.max(1, Math.round((pixels * SCREEN_SIDE) / side));
  return resized(bitmap, size(bitmap.width), size(bitmap.height));
}

/** The edge of a mask; `unit` is that of lines, in pixels of the mask. */
function paintEdge(context, bitmap, rgb, strong, unit) {
  const path = outline(bitmap);
  context.lineCap = "square";
  const thin = (strong ? 2 : 1.4) * unit;
  if (strong) {
    context.strokeStyle = "rgb(0 0 0 / 0.65)";
    context.lineWidth = 2 * thin;
    context.stroke(path);
  }
  context.strokeStyle = strong ? "#fff" : `rgb(${rgb.join(" ")})`;
  context.lineWidth = thin;
  context.stroke(path);
}

function paintGrid(context, { viewport, image, stage }) {
  const x0 = Math.max(0, Math.floor(-viewport.x / viewport.scale));
  const y0 = Math.max(0, Math.floor(-viewport.y / viewport.scale));
  const x1 = Math.min(image.width, Math.ceil((stage.width - viewport.x) / viewport.scale));
  const y1 = Math.min(image.height, Math.ceil((stage.height - viewport.y) / viewport.scale));
  context.beginPath();
  for (let x = x0; x <= x1; x++) {
    context.moveTo(x, y0);
    context.lineTo(x, y1);
  }
  for (let y = y0; y <= y1; y++) {
    context.moveTo(x0, y);
    context.lineTo(x1, y);
  }
  context.strokeStyle = "rgb(128 128 128 / 0.35)";
  context.lineWidth = 1 / viewport.scale;
  context.stroke();
}

/** A point: a round plus for include, a square minus for exclude; the shapes differ, too. */
function paintMarker(context, scene, marker) {
  const { viewport, unit } = scene;
  if (marker.box) return paintBox(context, scene, marker.box, false);
  const { x, y } = toScreen(viewport, { x: marker.x + 0.5, y: marker.y + 0.5 });
  const radius = 8 * unit;
  context.beginPath();
  if (marker.label) context.arc(x, y, radius, 0, 2 * Math.PI);
  else context.rect(x - radius * 0.88, y - radius * 0.88, radius * 1.76, radius * 1.76);
  context.fillStyle = marker.label ? INCLUDE : EXCLUDE;
  context.fill();
  context.lineWidth = 2 * unit;
  context.strokeStyle = "#fff";
  context.stroke();
  context.beginPath();
  context.moveTo(x - radius / 2, y);
  context.lineTo(x + radius / 2, y);
  if (marker.label) {
    context.moveTo(x, y - radius / 2);
    context.lineTo(x, y + radius / 2);
  }
  context.stroke();
}

function paintBox(context, { viewport, unit }, [x0, y0, x1, y1], draft) {
  const a = toScreen(viewport, { x: x0, y: y0 });
  const b = toScreen(viewport, { x: x1, y: y1 });
  for (const [style, dash, offset] of [
    ["#000", [6, 4], 0],
    ["#fff", [4, 6], -6],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = (draft ? 1.5 : 2) * unit;
    context.setLineDash(dash);
    context.lineDashOffset = offset;
    context.strokeRect(a.x, a.y, b.x - a.x, b.y - a.y);
  }
  context.setLineDash([]);
}

function paintBrush(context, viewport, { x, y, size, erase }) {
  const at = toScreen(viewport, { x: x + 0.5, y: y + 0.5 });
  context.beginPath();
  context.arc(at.x, at.y, Math.max(2, ((size + 0.5) / 2) * viewport.scale), 0, 2 * Math.PI);
  context.strokeStyle = "#000";
  context.lineWidth = 3;
  context.stroke();
  context.strokeStyle = erase ? "#ff7a70" : "#fff";
  context.lineWidth = 1.5;
  context.stroke();
}

function paintCrosshair(context, viewport, place, stage) {
  const { x, y } = toScreen(viewport, { x: place.x + 0.5, y: place.y + 0.5 });
  context.beginPath();
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    context.moveTo(x + dx * 6, y + dy * 6);
    context.lineTo(x + dx * stage.width, y + dy * stage.height);
  }
  for (const [style, width] of [
    ["rgb(0 0 0 / 0.7)", 3],
    ["#fff", 1],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}
