/** What the stage shows at a moment, from bottom to top. */

import { COLOURS } from "../core/palette.js";
import { regionOverview } from "./tint.js";

const GREEN = [20, 200, 70];
const RED = [240, 40, 40];
const WHITE = [255, 255, 255];

/**
 * @param {import("../app.js").App} app
 * @param {import("../core/view_state.js").ViewState} view
 * @param {import("./hover_preview.js").HoverPreview} hover
 * @param {import("../everything.js").Everything} everything
 */
export function gather(app, view, hover, everything) {
  if (!app.image || !app.masks) return { layers: [], markers: [], draft: null };
  const { active } = app;
  const others = app.state.objects.filter((object) => object.visible && object !== active);
  const layers = others.map((object) => layerOf(app, object)).filter(Boolean);
  if (everything.on && everything.regions) {
    const current = everything.current;
    if (current) layers.push({ bitmap: current.region.bitmap, colour: WHITE, alpha: 0.35, strong: true });
    return { layers, markers: [], overview: regionOverview(everything.regions), crosshair: view.crosshair };
  }
  if (active) layers.push(...activeLayers(app, view, active));
  else if (view.stroke) layers.push({ bitmap: view.stroke.bitmap, colour: app.state.next - 1, strong: true });
  if (hover.mask && !view.draft && !view.stroke) {
    const colour = COLOURS[(active?.colour ?? app.state.next - 1) % COLOURS.length];
    layers.push({ bitmap: hover.mask.bitmap, colour, alpha: active ? 0.2 : 0.35, strong: true });
  }
  const painting = view.tool === "brush" || view.tool === "erase";
  return {
    layers,
    markers: active && !painting ? markersOf(active, view.drag) : [],
    draft: view.draft,
    crosshair: view.crosshair,
    brush: painting && view.pointer ? { ...view.pointer, size: view.brushSize, erase: view.tool === "erase" } : null,
  };
}

function layerOf(app, object) {
  const mask = app.masks.latest(object);
  return mask && { bitmap: mask.bitmap, colour: object.colour };
}

function activeLayers(app, view, active) {
  const mask = app.masks.latest(active);
  const bitmap = view.stroke?.bitmap ?? view.alternative?.bitmap ?? mask?.bitmap;
  if (!bitmap) return [];
  const layers = [{ bitmap, colour: active.colour, strong: true }];
  if (view.clean) {
    layers.push({ bitmap: view.clean.filled, colour: GREEN, alpha: 0.9 });
    layers.push({ bitmap: view.clean.dropped, colour: RED, alpha: 0.9 });
  }
  return layers;
}

function markersOf(object, drag) {
  return object.steps.flatMap((step, index) => {
    if (step.kind === "mask") return [];
    if (step.kind === "group") return step.own.points.map(([x, y], n) => ({ x, y, label: step.own.labels[n] }));
    return [drag?.index === index ? { ...step, ...drag.place } : step];
  });
}
