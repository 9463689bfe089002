/** What pointers mean under each tool: prompts with clicks and boxes, painting, moving markers, taking regions. */

import { say } from "../ui/live_region.js";
import { emptyBitmap } from "../core/bitmap.js";
import { applyEdit } from "../core/edits.js";
import { S } from "../core/strings.js";
import { toScreen } from "../core/viewport.js";

const GRIP = 11; // screen pixels around a marker that count as the marker
const LEAST_BOX = 2; // pixels of the image

/** Pixel of the image under a place, or null outside. */
export function pixelAt(image, { x, y }) {
  const pixel = { x: Math.floor(x), y: Math.floor(y) };
  return pixel.x >= 0 && pixel.y >= 0 && pixel.x < image.width && pixel.y < image.height ? pixel : null;
}

/**
 * The listeners of pointer.js for an application.
 *
 * @param {import("../app.js").App} app
 * @param {import("../core/view_state.js").ViewState} view
 * @param {import("./hover_preview.js").HoverPreview} hover
 * @param {import("./stage.js").Stage} stage
 * @param {import("../everything.js").Everything} everything
 * @param {import("../selection.js").Selection} selection
 * @param {(place: {x: number, y: number} | null) => void} showPlace
 */
export function gesturesOf(app, view, hover, stage, everything, selection, showPlace) {
  const excludes = (event, right) => right || event.altKey || view.exclude;

  const gesture = (place) => {
    view.crosshair = null;
    if (view.tool === "pan") return "pan";
    if (everything.on) return "prompt";
    if (view.tool === "brush" || view.tool === "erase") return "paint";
    view.pressedMarker = markerAt(app, stage, place);
    return view.pressedMarker === null ? "prompt" : "drag";
  };

  const move = (place, event) => {
    showPlace(place);
    view.pointer = pixelAt(app.image, place);
    if (event.pointerType !== "touch" && view.crosshair) view.crosshair = null;
    if (everything.on) return everything.hover(place);
    if (view.tool !== "select") return stage.draw();
    previewAt(app, view, hover, view.pointer, excludes(event, false));
  };

  const leave = () => {
    view.pointer = null;
    hover.clear();
    everything.hover(null);
    showPlace(null);
  };

  const click = (place, event, right) => {
    if (everything.on) return everything.add(place);
    if (view.tool !== "select" && !right) return;
    const pixel = pixelAt(app.image, place);
    if (!pixel) return say(S.message.outside);
    if (event.shiftKey) {
      const object = selection.objectAt(pixel);
      return object ? selection.select(object.id, true) : say(S.message.nothingToSelect);
    }
    const exclude = excludes(event, right);
    if (exclude || event.ctrlKey || event.metaKey) return addPoint(app, view, hover, selection, pixel, exclude);
    selectOrAdd(app, view, hover, selection, pixel);
  };

  const box = (from, to) => {
    view.draft = null;
    const corners = boxOf(app.image, from, to);
    if (view.tool !== "select" || everything.on) return stage.draw();
    if (!corners) {
      say(S.message.boxTooSmall);
      return stage.draw();
    }
    addBox(app, hover, corners);
  };

  const boxDraft = (from, to) => {
    hover.clear();
    view.draft = from && view.tool === "select" && !everything.on ? boxOf(app.image, from, to) : null;
    stage.draw();
  };

  return {
    gesture,
    hover: move,
    leave,
    click,
    box,
    boxDraft,
    ...painting(app, view, stage),
    ...dragging(app, view, stage),
    wheel,
  };

  function wheel(direction, place) {
    if (!everything.on) return false;
    everything.changeLevel(direction < 0 ? 1 : -1, place);
    return true;
  }
}

/** Preview the mask that a click at a pixel would give. */
export function previewAt(app, view, hover, pixel, exclude) {
  if (!pixel || (exclude && !app.active)) return hover.clear();
  hover.at([...(app.active?.steps ?? []), pointStep(app, pixel, exclude)]);
}

/** Select the object at a pixel if a click there would only make its mask again; else include the pixel. */
export async function selectOrAdd(app, view, hover, selection, pixel) {
  const object = app.active ? null : selection.objectAt(pixel);
  if (!object) return addPoint(app, view, hover, selection, pixel, false);
  const steps = [pointStep(app, pixel, false)];
  app.busy++;
  const mask = await app.masks.requestPreview(steps, true).catch(() => null);
  app.busy--;
  if (mask && !selection.isMaskOf(mask, object)) return addPoint(app, view, hover, selection, pixel, false);
  hover.clear();
  selection.select(object.id);
}

/** Include or exclude a pixel. */
export function addPoint(app, view, hover, selection, pixel, exclude) {
  selection.clear();
  const step = pointStep(app, pixel, exclude);
  const steps = [...(app.active?.steps ?? []), step];
  const preview = hover.maskFor(steps);
  if (preview) app.masks.storePreview(steps, preview); // the preview of the same place stays in sight
  app.act({ type: "step", step });
  hover.clear();
}

/** Prompt with a box [x0, y0, x1, y1]. */
export function addBox(app, hover, box) {
  hover.clear();
  app.act({ type: "step", step: { kind: "box", box, candidate: null, ...windowOf(app) } });
}

/** A box of whole pixels within the image, or null if there is next to nothing in it. */
export function boxOf(image, a, b) {
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  const x0 = clamp(Math.floor(Math.min(a.x, b.x)), image.width);
  const y0 = clamp(Math.floor(Math.min(a.y, b.y)), image.height);
  const x1 = clamp(Math.ceil(Math.max(a.x, b.x)), image.width);
  const y1 = clamp(Math.ceil(Math.max(a.y, b.y)), image.height);
  return x1 - x0 < LEAST_BOX || y1 - y0 < LEAST_BOX ? null : [x0, y0, x1, y1];
}

function pointStep(app, { x, y }, exclude) {
  return { kind: "point", x, y, label: exclude ? 0 : 1, candidate: null, ...windowOf(app) };
}

/** What is visible, where that is finer than the encoding of the whole image. */
function windowOf({ zoomWindow }) {
  return zoomWindow.visible ? { window: zoomWindow.visible } : {};
}

function markerAt(app, stage, place) {
  const at = toScreen(stage.viewport, place);
  const steps = app.active?.steps ?? [];
  const near = steps.findLastIndex((step) => {
    if (step.kind !== "point") return false;
    const marker = toScreen(stage.viewport, { x: step.x + 0.5, y: step.y + 0.5 });
    return Math.hypot(marker.x - at.x, marker.y - at.y) <= GRIP;
  });
  return near < 0 ? null : near;
}

/** Moving a marker; a click on it removes it. */
function dragging(app, view, stage) {
  return {
    drag(place) {
      const pixel = pixelAt(app.image, place);
      if (pixel) view.drag = { index: view.pressedMarker, place: pixel };
      stage.draw();
    },
    dragEnd(place, cancelled) {
      const pixel = place && pixelAt(app.image, place);
      view.drag = null;
      if (cancelled) return stage.draw();
      if (pixel) app.act({ type: "moveStep", index: view.pressedMarker, ...pixel });
      else if (!place) app.act({ type: "removeStep", index: view.pressedMarker });
    },
  };
}

/** A stroke is painted piece by piece and becomes one edit when it ends. */
function painting(app, view, stage) {
  return {
    paint(place) {
      const pixel = { x: Math.floor(place.x), y: Math.floor(place.y) };
      view.pointer = pixel;
      const kind = view.tool === "erase" ? "erase" : "brush";
      const before = app.active && app.masks.latestBitmap(app.active);
      view.stroke ??= { kind, path: [], bitmap: before ?? emptyBitmap(app.image.width, app.image.height) };
      const { path } = view.stroke;
      const last = path[path.length - 1];
      if (last && last[0] === pixel.x && last[1] === pixel.y) return;
      path.push([pixel.x, pixel.y]);
      const piece = { kind, path: path.slice(-2), size: view.brushSize };
      view.stroke.bitmap = applyEdit(view.stroke.bitmap, piece);
      stage.draw();
    },
    paintEnd(cancelled) {
      const { stroke } = view;
      view.stroke = null;
      if (!stroke || cancelled || (stroke.kind === "erase" && !app.active)) return stage.draw();
      app.act({ type: "edit", edit: { kind: stroke.kind, path: stroke.path, size: view.brushSize } });
    },
  };
}
