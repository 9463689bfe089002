/** The page: makes the parts and ties them together. */

import { say, sayFailure } from "./ui/live_region.js";
import { Api } from "./net/api.js";
import { App } from "./app.js";
import { difference } from "./core/bitmap.js";
import { removeSmallRegions } from "./core/small_regions.js";
import { ZoomWindow } from "./canvas/zoom_window.js";
import { commandsOf } from "./panels/commands.js";
import { ActiveObject } from "./panels/active_object.js";
import { askForToken, showHelp } from "./panels/dialogs.js";
import { byId, fillTexts } from "./ui/dom.js";
import { Everything } from "./everything.js";
import { gesturesOf, pixelAt } from "./canvas/gestures.js";
import { HoverPreview } from "./canvas/hover_preview.js";
import { listenForImages } from "./panels/file_input.js";
import { listenToKeys } from "./panels/keyboard.js";
import { gather } from "./canvas/layers.js";
import { showObjects } from "./panels/object_list.js";
import { alternativesOf } from "./core/alternatives.js";
import { listenToPointers } from "./canvas/pointer.js";
import { Stage } from "./canvas/stage.js";
import { S } from "./core/strings.js";
import { ExportPanel } from "./panels/export.js";
import { nextTheme, startTheme } from "./ui/theme.js";
import { ViewState } from "./core/view_state.js";
import { makeToolbar } from "./panels/toolbar.js";
import { searchText } from "./panels/text_search.js";

const BRUSHES = [1, 2, 3, 5, 8, 12, 18, 26, 40, 60, 90, 130];

startTheme();
fillTexts();
byId("app").hidden = false;

const view = new ViewState();
const api = new Api(askForToken, (seconds) => say(S.busy(seconds)));
const zoomWindow = new ZoomWindow(byId("zoom-window"));
const app = new App(
  api,
  { changed, paint: () => stage.drawAndWait(), image: showImage, preview: showPreview, progress: showProgress },
  zoomWindow,
);
const canvas = byId("canvas");
const stage = new Stage(canvas, () => gather(app, view, hover, everything));
const hover = new HoverPreview(
  (steps, thorough) => app.masks.requestPreview(steps, thorough),
  () => stage.draw(),
);
const everything = new Everything(app, () => stage.draw());
const act = {
  undo: () => app.act({ type: "undo" }) || say(S.message.nothingToUndo),
  redo: () => app.act({ type: "redo" }) || say(S.message.nothingToRedo),
  setTool,
  pick: (place) => activeObject.pick(place),
  cycle: (by) => activeObject.cycle(by),
  split: () => app.split(),
  setBrush,
  exclude: toggleExclude,
  everything: () => everything.toggle(),
  help: showHelp,
};
const toolbar = makeToolbar(act);
const activeObject = new ActiveObject(
  byId("active-body"),
  (action) => app.act(action),
  { clean: previewCleaning, alternative: previewAlternative },
  act.split,
);
const exportPanel = new ExportPanel(app);

listenToPointers(stage, gesturesOf(app, view, hover, stage, everything, showPlace));
listenToKeys(canvas, commandsOf(app, view, hover, stage, everything, { ...act, showPlace }));
listenForImages((file) => openImage(file));
searchText(app, everything);
stage.onView = ({ scale }) => {
  byId("zoom-fit").textContent = S.zoomLevel(scale);
  encodeVisible();
};
byId("zoom-in").onclick = () => stage.zoom(1.5);
byId("zoom-out").onclick = () => stage.zoom(1 / 1.5);
byId("zoom-fit").onclick = () => stage.fit();
byId("help").onclick = showHelp;
byId("theme").onclick = () => say(S.themeNow(nextTheme()));
canvas.addEventListener("blur", () => {
  hover.clear();
  stage.draw();
});
// For measuring and for tests: the application as it is, nothing that a page of another site could reach.
Object.assign(window, { anymask: { app, view, hover, stage, everything } });

changed();
app.restore().catch(sayFailure);
exportPanel.load().catch(sayFailure);

function openImage(file) {
  if (file.type && !file.type.startsWith("image/")) return say(S.notAnImage);
  everything.reset();
  hover.clear();
  view.reset();
  return app.open(file);
}

function showPreview(image) {
  byId("welcome").hidden = true;
  byId("image-name").textContent = image.name;
  stage.setImage(image);
}

function showImage(image) {
  byId("welcome").hidden = image !== null;
  byId("app").classList.toggle("has-image", image !== null);
  byId("image-name").textContent = image ? image.name : "";
  canvas.setAttribute("aria-label", image ? S.canvas(image.name) : S.noImage);
  stage.setImage(image);
  encodeVisible();
  changed();
}

function showProgress(text, share = null) {
  byId("progress").hidden = text === null;
  if (text === null) return;
  byId("progress-text").textContent = text;
  const bar = byId("progress-bar");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

/** Draw everything that shows the state. */
function changed() {
  const { state, active, image } = app;
  const mask = active && app.masks?.latest(active);
  view.clean = view.alternative = null;
  toolbar.show(view, app.history, image !== null, everything.on);
  activeObject.show(active, mask);
  showObjects(
    byId("objects"),
    state,
    (object) => app.masks?.get(object) ?? null,
    (action) => app.act(action),
  );
  if (active && app.masks?.get(active)) showAlternatives(active);
  stage.draw();
}

/** The alternatives come after the mask itself, so that nobody waits for them. */
async function showAlternatives(object) {
  const last = object.steps[object.steps.length - 1];
  if (!["point", "box"].includes(last?.kind)) return;
  try {
    const alternatives = await alternativesOf(app.masks, object.steps);
    if (app.active === object) activeObject.showAlternatives(alternatives, object, app.image);
  } catch {
    // The mask itself failed for the same reason, and that was said.
  }
}

/** Show an alternative on the stage while the cursor is on its button. @param {object | null} mask */
function previewAlternative(mask) {
  view.alternative = mask;
  stage.draw();
}

function encodeVisible() {
  const { image } = app;
  zoomWindow.at(stage, async (window) => {
    const encoded = image && image === app.image ? await api.encodeWindow(image.id, window) : null;
    if (encoded) hover.refresh();
    return encoded;
  });
}

function setTool(tool) {
  view.tool = tool;
  if (tool !== "select") hover.clear();
  view.corner = view.draft = null;
  canvas.dataset.tool = tool;
  say(S[tool]);
  toolbar.show(view, app.history, app.image !== null, everything.on);
  stage.draw();
}

function toggleExclude() {
  view.exclude = !view.exclude;
  hover.clear();
  say(S.message.excluding(view.exclude));
  toolbar.show(view, app.history, app.image !== null, everything.on);
}

function setBrush(by) {
  const at = BRUSHES.indexOf(view.brushSize);
  view.brushSize = BRUSHES[Math.max(0, Math.min(BRUSHES.length - 1, at + by))];
  say(`${S.brushSize}: ${S.pixels(view.brushSize)}`);
  stage.draw();
}

/** Show what the clean-up would do to the active object. */
function previewCleaning(clean) {
  view.clean = null;
  const mask = app.active && app.masks.latest(app.active);
  if (!clean || !mask) {
    stage.draw();
    return { filled: [], dropped: [] };
  }
  const { bitmap, filled, dropped } = removeSmallRegions(mask.bitmap, clean.holes, clean.islands);
  view.clean = { filled: difference(bitmap, mask.bitmap), dropped: difference(mask.bitmap, bitmap) };
  stage.draw();
  return { filled, dropped };
}

function showPlace(place) {
  const pixel = place && app.image ? pixelAt(app.image, place) : null;
  byId("place").textContent = pixel ? S.message.at(pixel.x, pixel.y) : "";
}
