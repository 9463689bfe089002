/** Zoom and pan: how pixels of the image map to the stage, and back. Pure: every function returns a new viewport. */

/** The most the image is magnified: screen pixels for one of its own. */
const MAX_SCALE = 64;
const MARGIN = 12;

/** @typedef {{scale: number, x: number, y: number, fitted: boolean}} Viewport screen = image × scale + (x, y) */

/** The whole image, in the middle; small images are enlarged up to 8 times. */
export function fit(image, stage) {
  const room = { width: Math.max(1, stage.width - 2 * MARGIN), height: Math.max(1, stage.height - 2 * MARGIN) };
  const scale = Math.min(8, room.width / image.width, room.height / image.height);
  return {
    scale,
    x: (stage.width - image.width * scale) / 2,
    y: (stage.height - image.height * scale) / 2,
    fitted: true,
  };
}

/** Magnify by a factor about a place of the stage. */
export function zoom(viewport, factor, at, image, stage) {
  const least = Math.min(1, fit(image, stage).scale) / 2;
  const scale = Math.min(MAX_SCALE, Math.max(least, viewport.scale * factor));
  const ratio = scale / viewport.scale;
  const moved = { scale, x: at.x - (at.x - viewport.x) * ratio, y: at.y - (at.y - viewport.y) * ratio, fitted: false };
  return clampToStage(moved, image, stage);
}

/** Move by screen pixels. */
export function pan(viewport, dx, dy, image, stage) {
  return clampToStage({ ...viewport, x: viewport.x + dx, y: viewport.y + dy, fitted: false }, image, stage);
}

/** Limit the offset so that at least 48 pixels of the image stay on the stage. */
function clampToStage(viewport, image, stage) {
  const clamp = (value, size, room) => Math.min(room - 48, Math.max(48 - size * viewport.scale, value));
  return {
    ...viewport,
    x: clamp(viewport.x, image.width, stage.width),
    y: clamp(viewport.y, image.height, stage.height),
  };
}

/** Screen to image, with fractions. */
export function toImage(viewport, { x, y }) {
  return { x: (x - viewport.x) / viewport.scale, y: (y - viewport.y) / viewport.scale };
}

/** Image to screen. */
export function toScreen(viewport, { x, y }) {
  return { x: x * viewport.scale + viewport.x, y: y * viewport.scale + viewport.y };
}

/** Move just so far that a place of the image is on the stage, with some room around it. */
export function reveal(viewport, place, image, stage) {
  const { x, y } = toScreen(viewport, place);
  const room = 40;
  const dx = x < room ? room - x : x > stage.width - room ? stage.width - room - x : 0;
  const dy = y < room ? room - y : y > stage.height - room ? stage.height - room - y : 0;
  return dx || dy ? pan(viewport, dx, dy, image, stage) : viewport;
}
