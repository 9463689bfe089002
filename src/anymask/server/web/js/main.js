/** The page: makes the parts and ties them together. */

import { say, sayFailure } from "./ui/live_region.js";
import { Api } from "./net/api.js";
import { App } from "./app.js";
import { without } from "./core/bitmap.js";
import { cleaned } from "./core/small_regions.js";
import { Closer } from "./canvas/zoom_window.js";
import { commandsOf } from "./panels/commands.js";
import { Current } from "./panels/active_object.js";
import { askForToken, showHelp } from "./panels/dialogs.js";
import { byId, fillTexts } from "./ui/dom.js";
import { Everything } from "./everything.js";
import { gesturesOf, pixelAt } from "./canvas/gestures.js";
import { Hover } from "./canvas/hover_preview.js";
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
import { findWords } from "./panels/text_search.js";

const BRUSHES = [1, 2, 3, 5, 8, 12, 18, 26, 40, 60, 90, 130];

startTheme();
fillTexts();
byId("app").hidden = false;

const ui = new ViewState();
const api = new Api(askForToken, (seconds) => say(S.busy(seconds)));
const closer = new Closer(byId("closer"));
const app = new App(
  api,
  { changed, glimpsed: () => stage.drawn(), image: showImage, glimpse: showGlimpse, progress: showProgress },
  closer,
);
const canvas = byId("canvas");
const stage = new Stage(canvas, () => gather(app, ui, hover, everything));
const hover = new Hover(
  (steps, thorough) => app.answers.preview(steps, thorough),
  () => stage.draw(),
);
const everything = new Everything(app, () => stage.draw());
const act = {
  undo: () => app.act({ type: "undo" }) || say(S.message.nothingToUndo),
  redo: () => app.act({ type: "redo" }) || say(S.message.nothingToRedo),
  setTool,
  pick: (place) => current.pick(place),
  cycle: (by) => current.cycle(by),
  split: () => app.split(),
  setBrush,
  exclude: toggleExclude,
  everything: () => everything.toggle(),
  help: showHelp,
};
const toolbar = makeToolbar(act);
const current = new Current(
  byId("current-body"),
  (action) => app.act(action),
  { clean: previewCleaning, answer: showAnswer },
  act.split,
);
const exportPanel = new ExportPanel(app);

listenToPointers(stage, gesturesOf(app, ui, hover, stage, everything, showPlace));
listenToKeys(canvas, commandsOf(app, ui, hover, stage, everything, { ...act, showPlace }));
listenForImages((file) => openImage(file));
findWords(app, everything);
stage.onView = ({ scale }) => {
  byId("zoom-fit").textContent = S.zoomLevel(scale);
  lookCloser();
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
Object.assign(window, { anymask: { app, ui, hover, stage, everything } });

changed();
app.restore().catch(sayFailure);
exportPanel.load().catch(sayFailure);

function openImage(file) {
  if (file.type && !file.type.startsWith("image/")) return say(S.notAnImage);
  everything.reset();
  hover.clear();
  ui.reset();
  return app.open(file);
}

function showGlimpse(image) {
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
  lookCloser();
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

/** Something is different: draw everything that shows it. */
function changed() {
  const { state, active, image } = app;
  const answer = active && app.answers?.shown(active);
  ui.clean = ui.peek = null;
  toolbar.show(ui, app.history, image !== null, everything.on);
  current.show(active, answer, image);
  showObjects(
    byId("objects"),
    state,
    (object) => app.answers?.known(object) ?? null,
    (action) => app.act(action),
  );
  if (active && app.answers?.known(active)) showAlternatives(active);
  stage.draw();
}

/** What else was meant comes after the mask itself, so that nobody waits for it. */
async function showAlternatives(object) {
  const last = object.steps[object.steps.length - 1];
  if (!["point", "box"].includes(last?.kind)) return;
  try {
    const alternatives = await alternativesOf(app.answers, object.steps);
    if (app.active === object) current.showAlternatives(alternatives, object, app.image);
  } catch {
    // The mask itself was refused for the same reason, and that was said.
  }
}

/** Show another answer on the stage while it is being thought about. */
function showAnswer(answer) {
  ui.peek = answer;
  stage.draw();
}

function lookCloser() {
  const { image } = app;
  closer.at(stage, async (window) => {
    const seen = image && image === app.image ? await api.look(image.id, window) : null;
    if (seen) hover.again();
    return seen;
  });
}

function setTool(tool) {
  ui.tool = tool;
  if (tool !== "select") hover.clear();
  ui.corner = ui.draft = null;
  canvas.dataset.tool = tool;
  say(S[tool]);
  toolbar.show(ui, app.history, app.image !== null, everything.on);
  stage.draw();
}

function toggleExclude() {
  ui.exclude = !ui.exclude;
  hover.clear();
  say(S.message.excluding(ui.exclude));
  toolbar.show(ui, app.history, app.image !== null, everything.on);
}

function setBrush(by) {
  const at = BRUSHES.indexOf(ui.brushSize);
  ui.brushSize = BRUSHES[Math.max(0, Math.min(BRUSHES.length - 1, at + by))];
  say(`${S.brushSize}: ${S.pixels(ui.brushSize)}`);
  stage.draw();
}

/** Show what cleaning would do to the object at hand. */
function previewCleaning(clean) {
  ui.clean = null;
  const answer = app.active && app.answers.shown(app.active);
  if (!clean || !answer) {
    stage.draw();
    return { filled: [], dropped: [] };
  }
  const { bitmap, filled, dropped } = cleaned(answer.bitmap, clean.holes, clean.islands);
  ui.clean = { filled: without(bitmap, answer.bitmap), dropped: without(answer.bitmap, bitmap) };
  stage.draw();
  return { filled, dropped };
}

function showPlace(place) {
  const pixel = place && app.image ? pixelAt(app.image, place) : null;
  byId("place").textContent = pixel ? S.message.at(pixel.x, pixel.y) : "";
}
