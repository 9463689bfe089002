/** What keys mean: moving the crosshair, placing, accepting, switching tools. */

import { say } from "../ui/live_region.js";
import { addBox, addPoint, boxOf, pixelAt, previewAt, selectOrAdd } from "../canvas/gestures.js";
import { S } from "../core/strings.js";

const STEP = 8; // screen pixels the crosshair moves at once
const PAN = 80;

/**
 * @param {import("../app.js").App} app
 * @param {import("../core/view_state.js").ViewState} view
 * @param {import("../canvas/hover_preview.js").HoverPreview} hover
 * @param {import("../canvas/stage.js").Stage} stage
 * @param {import("../everything.js").Everything} everything
 * @param {import("../selection.js").Selection} selection
 * @param {object} act what the page does: undo, redo, setTool, pick, cycle, split, setBrush, exclude, help, showPlace
 */
export function commandsOf(app, view, hover, stage, everything, selection, act) {
  const middle = () => {
    const { width, height } = stage.size;
    const place = {
      x: (width / 2 - stage.viewport.x) / stage.viewport.scale,
      y: (height / 2 - stage.viewport.y) / stage.viewport.scale,
    };
    return pixelAt(app.image, place) ?? { x: Math.floor(app.image.width / 2), y: Math.floor(app.image.height / 2) };
  };

  const crosshair = (dx, dy, times) => {
    if (!app.image) return;
    const from = view.crosshair ?? view.pointer ?? middle();
    const step = Math.max(1, Math.round((STEP * times) / stage.viewport.scale));
    const moved = view.crosshair
      ? { x: clamp(from.x + dx * step, app.image.width), y: clamp(from.y + dy * step, app.image.height) }
      : from;
    view.crosshair = moved;
    stage.reveal(moved);
    act.showPlace(moved);
    if (everything.on) everything.changeLevel(0, { x: moved.x + 0.5, y: moved.y + 0.5 });
    else {
      say(S.message.at(moved.x, moved.y));
      if (view.corner) view.draft = boxOf(app.image, view.corner, { x: moved.x + 1, y: moved.y + 1 });
      else if (view.tool === "select") previewAt(app, view, hover, moved, view.exclude);
    }
    stage.draw();
  };

  const place = (exclude) => {
    if (!app.image) return;
    if (!view.crosshair) return crosshair(0, 0, 1);
    if (everything.on) return everything.add({ x: view.crosshair.x + 0.5, y: view.crosshair.y + 0.5 });
    if (view.tool === "brush" || view.tool === "erase") return dab();
    if (exclude || view.exclude) addPoint(app, view, hover, selection, view.crosshair, true);
    else selectOrAdd(app, view, hover, selection, view.crosshair);
  };

  const dab = () => {
    if (view.tool === "erase" && !app.active) return;
    const { x, y } = view.crosshair;
    app.act({ type: "edit", edit: { kind: view.tool, path: [[x, y]], size: view.brushSize } });
  };

  const corner = () => {
    if (!app.image || everything.on) return;
    if (!view.crosshair) crosshair(0, 0, 1);
    if (!view.corner) {
      view.corner = view.crosshair;
      hover.clear();
      return say(S.message.boxStarted);
    }
    const box = boxOf(app.image, view.corner, { x: view.crosshair.x + 1, y: view.crosshair.y + 1 });
    view.corner = view.draft = null;
    if (box) addBox(app, hover, box);
    else say(S.message.boxTooSmall);
    stage.draw();
  };

  const clear = () => {
    if (view.corner) {
      view.corner = view.draft = null;
      return stage.draw();
    }
    if (everything.on) return everything.leave();
    hover.clear();
    if (!selection.clear() && !app.act({ type: "clear" })) {
      view.crosshair = null;
      stage.draw();
    }
  };

  return {
    crosshair,
    place,
    corner,
    clear,
    hasCrosshair: () => view.crosshair !== null,
    accept: () => selection.open() || app.act({ type: "accept" }),
    remove: () => selection.remove(),
    undo: act.undo,
    redo: act.redo,
    save: act.save,
    ...act.project,
    exclude: act.exclude,
    help: act.help,
    everything: () => everything.toggle(),
    tool: act.setTool,
    alternative: act.pick,
    split: act.split,
    pan: (dx, dy) => stage.pan(-dx * PAN, -dy * PAN),
    zoomIn: () => stage.zoom(1.5, view.crosshair ? screenOf(view.crosshair) : undefined),
    zoomOut: () => stage.zoom(1 / 1.5, view.crosshair ? screenOf(view.crosshair) : undefined),
    zoomFit: () => stage.fit(),
    step: (by) => (everything.on ? everything.changeLevel(by) : view.tool === "select" ? act.cycle(by) : act.setBrush(by)),
  };

  function screenOf({ x, y }) {
    const { viewport } = stage;
    return { x: (x + 0.5) * viewport.scale + viewport.x, y: (y + 0.5) * viewport.scale + viewport.y };
  }
}

function clamp(value, size) {
  return Math.max(0, Math.min(size - 1, value));
}
