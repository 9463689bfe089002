/** What the stage shows at a moment, from bottom to top. */

import { COLOURS } from "../core/palette.js";
import { regionOverview } from "./tint.js";

const GREEN = [20, 200, 70];
const RED = [240, 40, 40];
const WHITE = [255, 255, 255];

/**
 * @param {import("../app.js").App} app
 * @param {import("../core/view_state.js").ViewState} ui
 * @param {import("./hover_preview.js").Hover} hover
 * @param {import("../everything.js").Everything} everything
 */
export function gather(app, ui, hover, everything) {
  if (!app.image || !app.answers) return { layers: [], markers: [], draft: null };
  const { active } = app;
  const shown = app.state.objects.filter((object) => object.visible && object !== active);
  const layers = shown.map((object) => layerOf(app, object)).filter(Boolean);
  if (everything.on && everything.regions) {
    const found = everything.current;
    if (found) layers.push({ bitmap: found.region.bitmap, colour: WHITE, alpha: 0.35, strong: true });
    return { layers, markers: [], overview: regionOverview(everything.regions), crosshair: ui.crosshair };
  }
  if (active) layers.push(...activeLayers(app, ui, active));
  else if (ui.stroke) layers.push({ bitmap: ui.stroke.bitmap, colour: app.state.next - 1, strong: true });
  if (hover.answer && !ui.draft && !ui.stroke) {
    const colour = COLOURS[(active?.colour ?? app.state.next - 1) % COLOURS.length];
    layers.push({ bitmap: hover.answer.bitmap, colour, alpha: active ? 0.2 : 0.35, strong: true });
  }
  const painting = ui.tool === "brush" || ui.tool === "erase";
  return {
    layers,
    markers: active && !painting ? markersOf(active, ui.drag) : [],
    draft: ui.draft,
    crosshair: ui.crosshair,
    brush: painting && ui.pointer ? { ...ui.pointer, size: ui.brushSize, erase: ui.tool === "erase" } : null,
  };
}

function layerOf(app, object) {
  const answer = app.answers.shown(object);
  return answer && { bitmap: answer.bitmap, colour: object.colour };
}

function activeLayers(app, ui, active) {
  const answer = app.answers.shown(active);
  const bitmap = ui.stroke?.bitmap ?? ui.peek?.bitmap ?? answer?.bitmap;
  if (!bitmap) return [];
  const layers = [{ bitmap, colour: active.colour, strong: true }];
  if (ui.clean) {
    layers.push({ bitmap: ui.clean.filled, colour: GREEN, alpha: 0.9 });
    layers.push({ bitmap: ui.clean.dropped, colour: RED, alpha: 0.9 });
  }
  return layers;
}

function markersOf(object, drag) {
  return object.steps.flatMap((step, index) => {
    if (step.kind === "mask") return [];
    if (step.kind === "member") return step.own.points.map(([x, y], n) => ({ x, y, label: step.own.labels[n] }));
    return [drag?.index === index ? { ...step, ...drag.place } : step];
  });
}
