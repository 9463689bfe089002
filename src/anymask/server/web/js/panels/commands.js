/** What keys mean: moving the crosshair, placing, accepting, switching tools. */

import { say } from "../ui/live_region.js";
import { ask, askBox, boxOf, pixelAt, previewAt } from "../canvas/gestures.js";
import { S } from "../core/strings.js";

const STEP = 8; // screen pixels the crosshair moves at once
const PAN = 80;

/**
 * @param {import("../app.js").App} app
 * @param {import("../core/view_state.js").ViewState} ui
 * @param {import("../canvas/hover_preview.js").Hover} hover
 * @param {import("../canvas/stage.js").Stage} stage
 * @param {import("../everything.js").Everything} everything
 * @param {object} act what the page does: undo, redo, setTool, pick, cycle, split, setBrush, exclude, help, showPlace
 */
export function commandsOf(app, ui, hover, stage, everything, act) {
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
    const from = ui.crosshair ?? ui.pointer ?? middle();
    const step = Math.max(1, Math.round((STEP * times) / stage.viewport.scale));
    const moved = ui.crosshair
      ? { x: clamp(from.x + dx * step, app.image.width), y: clamp(from.y + dy * step, app.image.height) }
      : from;
    ui.crosshair = moved;
    stage.reveal(moved);
    act.showPlace(moved);
    if (everything.on) everything.walk(0, { x: moved.x + 0.5, y: moved.y + 0.5 });
    else {
      say(S.message.at(moved.x, moved.y));
      if (ui.corner) ui.draft = boxOf(app.image, ui.corner, { x: moved.x + 1, y: moved.y + 1 });
      else if (ui.tool === "select") previewAt(app, ui, hover, moved, ui.exclude);
    }
    stage.draw();
  };

  const place = (exclude) => {
    if (!app.image) return;
    if (!ui.crosshair) return crosshair(0, 0, 1);
    if (everything.on) return everything.take({ x: ui.crosshair.x + 0.5, y: ui.crosshair.y + 0.5 });
    if (ui.tool === "brush" || ui.tool === "erase") return dab();
    ask(app, ui, hover, ui.crosshair, exclude || ui.exclude);
  };

  const dab = () => {
    if (ui.tool === "erase" && !app.active) return;
    const { x, y } = ui.crosshair;
    app.act({ type: "edit", edit: { kind: ui.tool, path: [[x, y]], size: ui.brushSize } });
  };

  const corner = () => {
    if (!app.image || everything.on) return;
    if (!ui.crosshair) crosshair(0, 0, 1);
    if (!ui.corner) {
      ui.corner = ui.crosshair;
      hover.clear();
      return say(S.message.boxStarted);
    }
    const box = boxOf(app.image, ui.corner, { x: ui.crosshair.x + 1, y: ui.crosshair.y + 1 });
    ui.corner = ui.draft = null;
    if (box) askBox(app, hover, box);
    else say(S.message.boxTooSmall);
    stage.draw();
  };

  const clear = () => {
    if (ui.corner) {
      ui.corner = ui.draft = null;
      return stage.draw();
    }
    if (everything.on) return everything.leave();
    hover.clear();
    if (!app.act({ type: "clear" })) {
      ui.crosshair = null;
      stage.draw();
    }
  };

  return {
    crosshair,
    place,
    corner,
    clear,
    crosshairShown: () => ui.crosshair !== null,
    accept: () => app.act({ type: "accept" }),
    undo: act.undo,
    redo: act.redo,
    exclude: act.exclude,
    help: act.help,
    everything: () => everything.toggle(),
    tool: act.setTool,
    alternative: act.pick,
    split: act.split,
    pan: (dx, dy) => stage.pan(-dx * PAN, -dy * PAN),
    zoomIn: () => stage.zoom(1.5, ui.crosshair ? screenOf(ui.crosshair) : undefined),
    zoomOut: () => stage.zoom(1 / 1.5, ui.crosshair ? screenOf(ui.crosshair) : undefined),
    zoomFit: () => stage.fit(),
    step: (by) => (everything.on ? everything.walk(by) : ui.tool === "select" ? act.cycle(by) : act.setBrush(by)),
  };

  function screenOf({ x, y }) {
    const { viewport } = stage;
    return { x: (x + 0.5) * viewport.scale + viewport.x, y: (y + 0.5) * viewport.scale + viewport.y };
  }
}

function clamp(value, size) {
  return Math.max(0, Math.min(size - 1, value));
}
