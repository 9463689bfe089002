/** The page: makes the parts and ties them together. */

import { say, sayFailure } from "./announce.js";
import { Api } from "./api.js";
import { App } from "./app.js";
import { without } from "./bitmap.js";
import { cleaned } from "./clean.js";
import { commandsOf } from "./commands.js";
import { Current } from "./current.js";
import { askForToken, showHelp } from "./dialogs.js";
import { byId, fillTexts } from "./dom.js";
import { Everything } from "./everything.js";
import { gesturesOf, pixelAt } from "./gestures.js";
import { Hover } from "./hover.js";
import { listenForPhotos } from "./intake.js";
import { listenToKeys } from "./keys.js";
import { gather } from "./layers.js";
import { showObjects } from "./objects.js";
import { listenToPointers } from "./pointer.js";
import { Stage } from "./stage.js";
import { S } from "./strings.js";
import { Takeaway } from "./takeaway.js";
import { nextTheme, startTheme } from "./theme.js";
import { makeToolbar } from "./toolbar.js";
import { findWords } from "./words.js";

const BRUSHES = [1, 2, 3, 5, 8, 12, 18, 26, 40, 60, 90, 130];

startTheme();
fillTexts();
byId("app").hidden = false;

const ui = {
  tool: "select",
  exclude: false,
  brushSize: 12,
  pointer: null,
  crosshair: null,
  corner: null,
  draft: null,
  stroke: null,
  grip: null,
  drag: null,
  clean: null,
  hover: null,
  showPlace,
};
const api = new Api(askForToken, (seconds) => say(S.busy(seconds)));
const app = new App(api, { changed, photo: showPhoto, glimpse: showGlimpse, progress: showProgress });
const canvas = byId("canvas");
const stage = new Stage(canvas, () => gather(app, ui, everything));
ui.hover = new Hover(
  (steps) => app.answers.preview(steps),
  () => stage.draw(),
);
const everything = new Everything(app, () => stage.draw());
const act = {
  undo: () => app.act({ type: "undo" }) || say(S.said.nothingToUndo),
  redo: () => app.act({ type: "redo" }) || say(S.said.nothingToRedo),
  setTool,
  choose,
  setBrush,
  exclude: toggleExclude,
  everything: () => everything.toggle(),
  help: showHelp,
};
const toolbar = makeToolbar(act);
const current = new Current(byId("current-body"), (action) => app.act(action), previewCleaning);
const takeaway = new Takeaway(app);

listenToPointers(stage, gesturesOf(app, ui, stage, everything));
listenToKeys(canvas, commandsOf(app, ui, stage, everything, act));
listenForPhotos((file) => openPhoto(file));
findWords(app, everything);
stage.onView = ({ scale }) => (byId("zoom-fit").textContent = S.zoomLevel(scale));
byId("zoom-in").onclick = () => stage.zoom(1.5);
byId("zoom-out").onclick = () => stage.zoom(1 / 1.5);
byId("zoom-fit").onclick = () => stage.fit();
byId("help").onclick = showHelp;
byId("theme").onclick = () => say(S.themeNow(nextTheme()));
canvas.addEventListener("blur", () => {
  ui.hover.clear();
  stage.draw();
});
// For measuring and for tests: the application as it is, nothing that a page of another site could reach.
Object.assign(window, { anymask: { app, ui, stage, everything } });

changed();
app.restore().catch(sayFailure);
takeaway.learn().catch(sayFailure);

function openPhoto(file) {
  if (file.type && !file.type.startsWith("image/")) return say(S.notAPhoto);
  everything.reset();
  ui.hover.clear();
  Object.assign(ui, { crosshair: null, corner: null, draft: null, clean: null });
  return app.open(file);
}

function showGlimpse(photo) {
  byId("welcome").hidden = true;
  byId("photo-name").textContent = photo.name;
  stage.setPhoto(photo);
}

function showPhoto(photo) {
  byId("welcome").hidden = photo !== null;
  byId("app").classList.toggle("has-photo", photo !== null);
  byId("photo-name").textContent = photo ? photo.name : "";
  canvas.setAttribute("aria-label", photo ? S.canvas(photo.name) : S.noPhoto);
  stage.setPhoto(photo);
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
  const { state, active, photo } = app;
  const answer = active && app.answers?.shown(active);
  ui.clean = null;
  toolbar.show(ui, app.history, photo !== null, everything.on);
  current.show(active, answer, photo);
  showObjects(
    byId("objects"),
    state,
    (object) => app.answers?.known(object) ?? null,
    (action) => app.act(action),
  );
  if (active) showOtherAnswers(active);
  stage.draw();
}

/** The other answers come after the mask itself, so that nobody waits for them. */
async function showOtherAnswers(object) {
  const last = object.steps[object.steps.length - 1];
  if (!last || last.kind === "mask") return;
  try {
    await app.answers.to(object.steps);
    const all = await app.answers.candidates(object.steps);
    if (app.active !== object) return;
    current.showCandidates(all, last.candidate ?? app.answers.chosen(object.steps), object, app.photo);
  } catch {
    // The mask itself was refused for the same reason, and that was said.
  }
}

function choose(candidate) {
  const last = app.active?.steps.at(-1);
  if (last) app.act({ type: "choose", candidate: last.candidate === candidate ? null : candidate });
}

function setTool(tool) {
  ui.tool = tool;
  if (tool !== "select") ui.hover.clear();
  ui.corner = ui.draft = null;
  canvas.dataset.tool = tool;
  say(S[tool]);
  toolbar.show(ui, app.history, app.photo !== null, everything.on);
  stage.draw();
}

function toggleExclude() {
  ui.exclude = !ui.exclude;
  ui.hover.clear();
  say(S.said.excluding(ui.exclude));
  toolbar.show(ui, app.history, app.photo !== null, everything.on);
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
  const pixel = place && app.photo ? pixelAt(app.photo, place) : null;
  byId("place").textContent = pixel ? S.said.at(pixel.x, pixel.y) : "";
}
