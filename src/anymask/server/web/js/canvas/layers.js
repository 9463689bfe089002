/** What the stage shows at a moment, from bottom to top. */

import { classes, rgbOf } from "../core/classes.js";
import { regionOverview } from "./tint.js";

const GREEN = [20, 200, 70];
const RED = [240, 40, 40];
const WHITE = [255, 255, 255];

/**
 * @param {import("../app.js").App} app
 * @param {import("../core/view_state.js").ViewState} view
 * @param {import("./hover_preview.js").HoverPreview} hover
 * @param {import("../everything.js").Everything} everything
 * @param {import("../panels/suggestions.js").Suggestions} suggestions
 */
export function gather(app, view, hover, everything, suggestions) {
  if (!app.image || !app.masks) return { layers: [], markers: [], draft: null };
  const { active } = app;
  const others = app.state.objects.filter((object) => object.visible && object !== active);
  const layers = others.map((object) => layerOf(app, view, object)).filter(Boolean);
  if (everything.on && everything.regions) {
    const current = everything.current;
    if (current) layers.push({ bitmap: current.region.bitmap, colour: WHITE, alpha: 0.35, strong: true });
    return { layers, markers: [], overview: regionOverview(everything.regions), crosshair: view.crosshair };
  }
  layers.push(...suggestions.layers());
  if (active) layers.push(...activeLayers(app, view, active));
  else if (view.stroke) layers.push({ bitmap: view.stroke.bitmap, colour: rgbOf(nextObject(app)), strong: true });
  if (hover.mask && view.lit === null && !view.draft && !view.stroke) {
    const colour = rgbOf(active ?? nextObject(app));
    layers.push({ bitmap: hover.mask.bitmap, colour, alpha: active ? 0.2 : 0.35, strong: true });
  }
  const painting = view.tool === "brush" || view.tool === "erase";
  return {
    layers,
    markers: active && !painting ? markersOf(active, view.drag) : [],
    boxes: suggestions.boxes(),
    draft: view.draft,
    crosshair: view.crosshair,
    brush: painting && view.pointer ? { ...view.pointer, size: view.brushSize, erase: view.tool === "erase" } : null,
  };
}

const nextObject = ({ state }) => ({ colour: state.next - 1, class: classes.current });

/** An accepted object: an outline with a faint fill; stronger where it is selected or under the cursor. */
function layerOf(app, view, object) {
  const mask = app.masks.latest(object);
  if (!mask) return null;
  const [selected, lit] = [view.selected.has(object.id), view.lit === object.id];
  return { bitmap: mask.bitmap, colour: rgbOf(object), alpha: lit ? Math.max(0.5, view.fill) : view.fill, strong: selected };
}

function activeLayers(app, view, active) {
  const mask = app.masks.latest(active);
  const bitmap = view.stroke?.bitmap ?? view.alternative?.bitmap ?? mask?.bitmap;
  if (!bitmap) return [];
  const layers = [{ bitmap, colour: rgbOf(active), strong: true }];
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
