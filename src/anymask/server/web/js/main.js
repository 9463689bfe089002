/** The page: makes the parts and ties them together. */

import { hideError, say, sayFailure, showError } from "./ui/live_region.js";
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
import { InpaintDialog } from "./panels/inpaint_dialog.js";
import { listenForImages } from "./panels/file_input.js";
import { listenToKeys } from "./panels/keyboard.js";
import { gather } from "./canvas/layers.js";
import { EarlierImages } from "./panels/earlier_images.js";
import { ProjectPage } from "./project/page.js";
import { ObjectList } from "./panels/object_list.js";
import { BrushControl } from "./panels/brush_control.js";
import { Selection } from "./selection.js";
import { SelectionPanel } from "./panels/selection_panel.js";
import { alternativesOf } from "./core/alternatives.js";
import { listenToPointers } from "./canvas/pointer.js";
import { Stage } from "./canvas/stage.js";
import { S } from "./core/strings.js";
import { ExportPanel } from "./panels/export.js";
import { nextTheme, startTheme } from "./ui/theme.js";
import { toScreen } from "./core/viewport.js";
import { ViewState } from "./core/view_state.js";
import { makeToolbar } from "./panels/toolbar.js";
import { searchText } from "./panels/text_search.js";

startTheme();
fillTexts();
byId("app").hidden = false;

const view = new ViewState();
const api = new Api(askForToken, (seconds) => say(S.busy(seconds)));
const zoomWindow = new ZoomWindow(byId("zoom-window"));
const app = new App(
  api,
  {
    changed,
    paint: () => stage.drawAndWait(),
    image: showImage,
    preview: showPreview,
    progress: showProgress,
    locked: showLocked,
    failed: showFailed,
  },
  zoomWindow,
);
const canvas = byId("canvas");
const stage = new Stage(canvas, () => gather(app, view, hover, everything, projectPage.suggestions));
const hover = new HoverPreview(
  (steps, thorough) => app.masks.requestPreview(steps, thorough),
  () => light(),
);
const selection = new Selection(app, view, showSelection);
const everything = new Everything(app, () => stage.draw(), () => changed());
const projectPage = new ProjectPage(api, app, selection, { changed: () => changed(), draw: () => stage.draw(), progress: showProgress, locked: showLocked });
const earlierImages = new EarlierImages(app);
const act = {
  undo: () => app.act({ type: "undo" }) || say(S.message.nothingToUndo),
  redo: () => app.act({ type: "redo" }) || say(S.message.nothingToRedo),
  setTool,
  pick: (place) => activeObject.pick(place),
  cycle: (by) => activeObject.cycle(by),
  split: () => app.split(),
  setBrush: (by) => brush.step(by),
  exclude: toggleExclude,
  everything: () => everything.toggle(),
  help: showHelp,
};
const toolbar = makeToolbar(act);
const brush = new BrushControl(view, () => stage.draw());
const selectionPanel = new SelectionPanel(selection, view, () => stage.draw());
const objectList = new ObjectList(byId("objects"), {
  act: (action) => app.act(action),
  select: (id, event) => (event.shiftKey ? selection.selectTo(id) : selection.select(id, event.ctrlKey || event.metaKey)),
  light: (id) => setLit(id),
});
const activeObject = new ActiveObject(
  byId("active-body"),
  (action) => app.act(action),
  { clean: previewCleaning, alternative: previewAlternative },
  act.split,
);
const exportPanel = new ExportPanel(app);
const inpaintDialog = new InpaintDialog(app, selection);

listenToPointers(stage, gesturesOf(app, view, hover, stage, everything, selection, showPlace));
const project = projectPage.commands;
listenToKeys(canvas, commandsOf(app, view, hover, stage, everything, selection, { ...act, save, project, showPlace }));
listenForImages(openFiles);
searchText(app, everything);
stage.onView = ({ scale }) => {
  byId("zoom-fit").textContent = S.zoomLevel(scale);
  encodeVisible();
};
byId("zoom-in").onclick = () => stage.zoom(1.5);
byId("zoom-out").onclick = () => stage.zoom(1 / 1.5);
byId("zoom-fit").onclick = () => stage.fit();
byId("accept").onclick = () => app.act({ type: "accept" });
byId("clear").onclick = () => app.act({ type: "clear" });
byId("save").onclick = save;
byId("dataset-image").onclick = () => (byId("dataset-dialog").close(), exportPanel.open());
byId("take-over").onclick = () => (app.source.takeOver ? app.source : projectPage.project).takeOver().catch(sayFailure);
byId("help").onclick = showHelp;
byId("theme").onclick = () => say(S.themeNow(nextTheme()));
canvas.addEventListener("blur", () => {
  hover.clear();
  stage.draw();
});
// For measuring and for tests: the application as it is, nothing that a page of another site could reach.
Object.assign(window, { anymask: { app, view, hover, stage, everything, selection, projectPage } });

changed();
begin().catch(sayFailure);

async function begin() {
  const listed = exportPanel.load().then((formats) => projectPage.dataset.list(formats), sayFailure);
  if (!(await projectPage.start())) await app.restore();
  await listed;
}

async function openFiles(files, folder) {
  if (await projectPage.addFiles(files, folder)) return;
  const [{ file }] = files;
  if (file.type && !file.type.startsWith("image/")) return say(S.notAnImage);
  await app.open(file);
}

function save() {
  if (!projectPage.save()) exportPanel.open();
}

function showPreview(image) {
  byId("welcome").hidden = true;
  byId("image-name").textContent = image.name;
  stage.setImage(image);
}

let shownImage = null;

function showImage(image) {
  byId("welcome").hidden = image !== null;
  byId("app").classList.toggle("has-image", image !== null);
  byId("image-name").textContent = image ? image.name : "";
  canvas.setAttribute("aria-label", image ? S.canvas(image.name) : S.noImage);
  if (image !== shownImage) {
    everything.reset();
    hover.clear();
    view.reset();
    hideError("stage-error");
    shownImage = image;
  }
  stage.setImage(image);
  encodeVisible();
  changed();
  earlierImages.show(projectPage.project.isOpen).catch(sayFailure);
}

/** @param {string | null} text who else works on the image */
function showLocked(text) {
  byId("locked").hidden = text === null;
  byId("locked-text").textContent = text ?? "";
  changed();
}

/** Say beside the last prompt of an object why there is no mask. */
function showFailed(object, error) {
  showError("stage-error", error);
  const step = object.steps.findLast((each) => each.kind === "point" || each.kind === "box");
  const [x, y] = step?.box ?? [step?.x ?? 0, step?.y ?? 0];
  const place = toScreen(stage.viewport, { x, y });
  const line = byId("stage-error");
  line.style.left = `${Math.max(0, Math.min(stage.size.width - line.offsetWidth, place.x))}px`;
  line.style.top = `${Math.max(0, Math.min(stage.size.height - line.offsetHeight, place.y + 14))}px`;
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
  objectList.show(state, view, (object) => app.masks?.get(object) ?? null);
  selectionPanel.show(active !== null, state.objects.length);
  inpaintDialog.show(active !== null);
  byId("active-object").hidden = everything.on || (active === null && !selection.ids.length && state.objects.length > 0);
  byId("accept").disabled = byId("clear").disabled = active === null;
  byId("save").disabled = image === null;
  projectPage.show();
  if (mask && app.masks.get(active)) hideError("stage-error");
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
  brush.show();
  toolbar.show(view, app.history, app.image !== null, everything.on);
  stage.draw();
}

function toggleExclude() {
  view.exclude = !view.exclude;
  hover.clear();
  say(S.message.excluding(view.exclude));
  toolbar.show(view, app.history, app.image !== null, everything.on);
}

/** Light the object that a click at the cursor would select. */
function light() {
  const object = view.pointer && view.tool === "select" && !app.active ? selection.objectAt(view.pointer) : null;
  const isSame = object && (!hover.mask || selection.isMaskOf(hover.mask, object));
  setLit(isSame ? object.id : null);
}

function setLit(id) {
  if (view.lit !== id) {
    view.lit = id;
    objectList.mark(view);
  }
  stage.draw();
}

function showSelection() {
  objectList.mark(view);
  selectionPanel.show(app.active !== null, app.state.objects.length);
  changed();
}

/** Show what the clean-up would do to the active object. */
function previewCleaning(clean) {
  view.clean = null;
  const before = app.active && app.masks.latestBitmap(app.active);
  if (!clean || !before) {
    stage.draw();
    return { filled: [], dropped: [] };
  }
  const { bitmap, filled, dropped } = removeSmallRegions(before, clean.holes, clean.islands);
  view.clean = { filled: difference(bitmap, before), dropped: difference(before, bitmap) };
  stage.draw();
  return { filled, dropped };
}

function showPlace(place) {
  const pixel = place && app.image ? pixelAt(app.image, place) : null;
  byId("place").textContent = pixel ? S.message.at(pixel.x, pixel.y) : "";
  if (!place) light();
}
