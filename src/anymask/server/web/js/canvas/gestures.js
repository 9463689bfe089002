/** What pointers mean under each tool: asking with clicks and boxes, painting, moving markers, taking regions. */

import { say } from "../ui/live_region.js";
import { emptyBitmap } from "../core/bitmap.js";
import { edited } from "../core/edits.js";
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
 * @param {import("../core/view_state.js").ViewState} ui
 * @param {import("./hover_preview.js").Hover} hover
 * @param {import("./stage.js").Stage} stage
 * @param {import("../everything.js").Everything} everything
 * @param {(place: {x: number, y: number} | null) => void} showPlace
 */
export function gesturesOf(app, ui, hover, stage, everything, showPlace) {
  const excludes = (event, right) => right || event.altKey || ui.exclude;

  const gesture = (place) => {
    ui.crosshair = null;
    if (ui.tool === "pan") return "pan";
    if (everything.on) return "ask";
    if (ui.tool === "brush" || ui.tool === "erase") return "paint";
    ui.grip = markerAt(app, stage, place);
    return ui.grip === null ? "ask" : "drag";
  };

  const move = (place, event) => {
    showPlace(place);
    ui.pointer = pixelAt(app.image, place);
    if (event.pointerType !== "touch" && ui.crosshair) ui.crosshair = null;
    if (everything.on) return everything.hover(place);
    if (ui.tool !== "select") return stage.draw();
    previewAt(app, ui, hover, ui.pointer, excludes(event, false));
  };

  const leave = () => {
    ui.pointer = null;
    hover.clear();
    everything.hover(null);
    showPlace(null);
  };

  const click = (place, event, right) => {
    if (everything.on) return everything.take(place);
    if (ui.tool !== "select" && !right) return;
    const pixel = pixelAt(app.image, place);
    if (!pixel) return say(S.message.outside);
    ask(app, ui, hover, pixel, excludes(event, right));
  };

  const box = (from, to) => {
    ui.draft = null;
    const corners = boxOf(app.image, from, to);
    if (ui.tool !== "select" || everything.on) return stage.draw();
    if (!corners) {
      say(S.message.boxTooSmall);
      return stage.draw();
    }
    askBox(app, hover, corners);
  };

  const boxDraft = (from, to) => {
    hover.clear();
    ui.draft = from && ui.tool === "select" && !everything.on ? boxOf(app.image, from, to) : null;
    stage.draw();
  };

  return {
    gesture,
    hover: move,
    leave,
    click,
    box,
    boxDraft,
    ...painting(app, ui, stage),
    ...dragging(app, ui, stage),
    wheel,
  };

  function wheel(direction, place) {
    if (!everything.on) return false;
    everything.walk(direction < 0 ? 1 : -1, place);
    return true;
  }
}

/** Preview what asking at a pixel would give. */
export function previewAt(app, ui, hover, pixel, exclude) {
  if (!pixel || (exclude && !app.active)) return hover.clear();
  hover.at([...(app.active?.steps ?? []), pointStep(app, pixel, exclude)]);
}

/** Include or exclude a pixel. */
export function ask(app, ui, hover, pixel, exclude) {
  const step = pointStep(app, pixel, exclude);
  const steps = [...(app.active?.steps ?? []), step];
  const guess = hover.to(steps);
  if (guess) app.answers.storePreview(steps, guess); // the preview of the same place stays in sight
  app.act({ type: "step", step });
  hover.clear();
}

/** Ask with a box [x0, y0, x1, y1]. */
export function askBox(app, hover, box) {
  hover.clear();
  app.act({ type: "step", step: { kind: "box", box, candidate: null, ...closer(app) } });
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
  return { kind: "point", x, y, label: exclude ? 0 : 1, candidate: null, ...closer(app) };
}

/** What is visible, where that is closer than the model saw the whole image. */
function closer({ closer: looking }) {
  return looking.visible ? { window: looking.visible } : {};
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

/** Moving a marker; a click on it takes it away. */
function dragging(app, ui, stage) {
  return {
    drag(place) {
      const pixel = pixelAt(app.image, place);
      if (pixel) ui.drag = { index: ui.grip, place: pixel };
      stage.draw();
    },
    dragged(place, cancelled) {
      const pixel = place && pixelAt(app.image, place);
      ui.drag = null;
      if (cancelled) return stage.draw();
      if (pixel) app.act({ type: "moveStep", index: ui.grip, ...pixel });
      else if (!place) app.act({ type: "removeStep", index: ui.grip });
    },
  };
}

/** A stroke is painted piece by piece and becomes one edit when it ends. */
function painting(app, ui, stage) {
  return {
    paint(place) {
      const pixel = { x: Math.floor(place.x), y: Math.floor(place.y) };
      ui.pointer = pixel;
      const kind = ui.tool === "erase" ? "erase" : "brush";
      const answer = app.active && app.answers.shown(app.active);
      ui.stroke ??= { kind, path: [], bitmap: answer?.bitmap ?? emptyBitmap(app.image.width, app.image.height) };
      const { path } = ui.stroke;
      const last = path[path.length - 1];
      if (last && last[0] === pixel.x && last[1] === pixel.y) return;
      path.push([pixel.x, pixel.y]);
      const piece = { kind, path: path.slice(-2), size: ui.brushSize };
      ui.stroke.bitmap = edited(ui.stroke.bitmap, piece);
      stage.draw();
    },
    painted(cancelled) {
      const { stroke } = ui;
      ui.stroke = null;
      if (!stroke || cancelled || (stroke.kind === "erase" && !app.active)) return stage.draw();
      app.act({ type: "edit", edit: { kind: stroke.kind, path: stroke.path, size: ui.brushSize } });
    },
  };
}
