/** Every word the application shows or says, in one place. */

const whole = new Intl.NumberFormat("en");
const percent = (share) => `${(share * 100).toFixed(share < 0.0995 ? 2 : 1)} %`;
const count = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;

export const S = {
  // the bar
  openPhoto: "Open photo",
  takePhoto: "Take a photo",
  theme: "Dark or light",
  help: "Help and keyboard",
  themeNow: (name) => `Colours: ${{ auto: "as the system", dark: "dark", light: "light" }[name]}`,

  // the stage
  tools: "Tools",
  panel: "Objects and export",
  canvas: (name) => `Photo ${name}`,
  noPhoto: "No photo yet",
  canvasHelp:
    "Arrow keys move the crosshair, with Shift ten times as far. Space includes the place, X excludes it, B starts and " +
    "ends a box. 1 to 6 switch between answers. Enter accepts the object, Escape clears it. Plus and minus zoom.",
  welcomeTitle: "Point at something, get its exact mask",
  welcomeText: "Drop a photo here, paste one, or pick it.",
  pickPhoto: "Pick a photo",
  welcomeHint: "It stays on this computer, unless the server is elsewhere.",
  dropHere: "Drop the photo",
  zoom: "Zoom",
  zoomIn: "Zoom in (+)",
  zoomOut: "Zoom out (−)",
  zoomFit: "Whole picture (0)",
  lookingCloser: "Looking closer …",
  seenCloser: "Seen close up",
  zoomLevel: (scale) => `${scale < 0.1 ? (scale * 100).toFixed(1) : Math.round(scale * 100)} %`,

  // tools
  select: "Point: click includes, right click excludes, drag for a box (V)",
  exclude: "Clicks exclude (X)",
  brush: "Brush: paint pixels in (P)",
  erase: "Eraser: take pixels out (R)",
  pan: "Move the picture (H)",
  everything: "Everything: find all objects (E)",
  undo: "Undo (Ctrl+Z)",
  redo: "Redo (Ctrl+Y)",
  brushSize: "Size of the brush",

  // reading and encoding
  progress: "Progress",
  reading: (name) => `Reading ${name} …`,
  sending: (share) => `Sending the photo: ${Math.round(share * 100)} %`,
  encoding: "Looking at the photo …",
  ready: (name, width, height) => `${name}, ${width} by ${height} pixels, is ready. Point at something.`,
  restored: (n) => `${count(n, "object")} brought back.`,
  notAPhoto: "This is not a picture.",

  // words
  wordsTitle: "Find by words",
  wordsExample: "e.g. cup, spoon",
  wordsFind: "Find",
  searching: (words) => `Looking for ${words} …`,
  found: (n, words) => (n ? `${count(n, "object")} found for ${words}.` : `Nothing found for ${words}.`),

  // the object at hand
  currentTitle: "This object",
  currentHint: "Click something in the photo. Click again to add to it, right click to take away, drag for a box.",
  currentHintTouch: "Tap something in the photo. Tap again to add to it; drag with one finger for a box.",
  name: "Name",
  unnamed: (id) => `Object ${id}`,
  facts: (share, score) => `${percent(share)} of the picture` + (score === null ? "" : `, score ${score.toFixed(2)}`),
  alternatives: "What was meant",
  alternative: (n, share, score) =>
    `Answer ${n}: ${percent(share)} of the picture` + (score === null ? "" : `, score ${score.toFixed(2)}`) + ` (${n})`,
  alternativeShort: (n, score) => (score === null ? `${n}` : `${n}  ${score.toFixed(2)}`),
  split: "Split (G)",
  splitTitle: "The clicks are on different objects: make one of each (G)",
  prompts: "What was asked",
  step: {
    include: (x, y) => `${x}, ${y}`,
    exclude: (x, y) => `not ${x}, ${y}`,
    box: ([x0, y0, x1, y1]) => `${x0}, ${y0} – ${x1}, ${y1}`,
    mask: "region",
    member: (n) => count(n, "click"),
    brush: "brush",
    erase: "eraser",
    clean: "clean-up",
  },
  removeStep: (label) => `Take back ${label}`,
  accept: "Accept (Enter)",
  clear: "Clear (Esc)",
  clean: "Clean up holes and islands",
  holes: "Fill holes below",
  islands: "Drop islands below",
  pixels: (n) => (n ? `${whole.format(n)} px` : "off"),
  cleanPreview: (filled, dropped) =>
    filled.length || dropped.length
      ? [
          filled.length ? `fills ${count(filled.length, "hole")}, ${whole.format(sum(filled))} px` : "",
          dropped.length ? `drops ${count(dropped.length, "island")}, ${whole.format(sum(dropped))} px` : "",
        ]
          .filter(Boolean)
          .join("; ")
      : "nothing to change",
  apply: "Apply",

  // the list of objects
  objectsTitle: "Objects",
  objectsHint: "Accepted objects are listed here.",
  colourOf: (name) => `Another colour for ${name}`,
  hide: (name) => `Hide ${name}`,
  show: (name) => `Show ${name}`,
  moveUp: (name) => `Move ${name} up`,
  moveDown: (name) => `Move ${name} down`,
  reopen: (name) => `Edit ${name}`,
  remove: (name) => `Delete ${name}`,
  nameOf: (name) => `Name of ${name}`,
  share: percent,

  // everything mode
  everythingTitle: "Everything",
  everythingRunning: (n) => `${count(n, "region")} so far …`,
  everythingDone: (n) => `${count(n, "region")}. Click one to take it; the wheel goes from parts to wholes.`,
  everythingStopped: (n) => `Stopped with ${count(n, "region")}. Click one to take it.`,
  region: (share, score, level, levels) =>
    `Region: ${percent(share)} of the picture` +
    (score === null ? "" : `, score ${score.toFixed(2)}`) +
    (levels > 1 ? `, level ${level} of ${levels}` : ""),
  stop: "Stop",
  takeAll: "Take all",
  close: "Close",

  // export
  exportTitle: "Take it with you",
  exportFormat: "Format",
  download: "Save",
  copyPython: "Copy Python",
  copyShell: "Copy command",
  copied: { python: "Python code copied.", shell: "Command line copied." },
  copyFailed: "The browser did not allow copying; the text is selected in the window below.",
  formats: {
    png: "Masks (PNG)",
    cutout: "Cut-out (PNG, transparent)",
    coco: "COCO (JSON)",
    labelme: "LabelMe (JSON)",
    yolo: "YOLO segmentation (TXT)",
    sa1b: "SA-1B (JSON)",
    "masks-json": "anymask (masks.json)",
    "label-map": "Label map (PNG)",
    voc: "Pascal VOC (ZIP)",
    cvat: "CVAT (XML)",
    geojson: "GeoJSON",
    csv: "Measurements (CSV)",
    folder: "All of anymask's files (ZIP)",
    prompts: "Prompt log (JSON)",
  },
  nothingToExport: "There is no object to save yet.",
  saved: (name) => `Saved ${name}.`,

  // what was done, as it is said
  said: {
    selected: (name, facts) => `${name}: ${facts}.`,
    broken: " It does not keep everything you asked for.",
    accepted: (name) => `${name} accepted. Point at the next object.`,
    cleared: "Cleared.",
    undone: "Undone.",
    redone: "Done again.",
    nothingToUndo: "Nothing to undo.",
    nothingToRedo: "Nothing to do again.",
    reopened: (name) => `${name} is open again; its prompts can be changed.`,
    removed: (name) => `${name} deleted. Undo brings it back.`,
    excluding: (on) => (on ? "Clicks exclude now." : "Clicks include now."),
    nothingToSplit: "Click two or more objects first; G makes one object of each.",
    oneObject: "All clicks are on one object.",
    split: (n) => `Split into ${count(n, "object")}.`,
    boxStarted: "Box started; move the crosshair and press B again.",
    boxGiven: "Box too small; it was left out.",
    at: (x, y) => `${x}, ${y}`,
    outside: "Outside the picture.",
  },

  // help
  helpTitle: "How it works",
  keys: [
    ["Click · right click or Alt+click", "include · exclude what is there"],
    ["Drag", "a box around the object"],
    ["Drag a marker · click it", "move it · take it away"],
    ["1 … 6 · [ ]", "what was meant: switch between the answers"],
    ["G", "clicks on different objects: split into one object each"],
    ["Enter · Esc", "accept the object and start the next · clear it"],
    ["Ctrl+Z · Ctrl+Y", "undo · redo, every step"],
    ["Wheel, pinch, + −, 0", "zoom; 0 shows the whole picture"],
    ["Middle drag, two fingers, Ctrl+arrows", "move the picture"],
    ["Arrow keys · with Shift", "move the crosshair · ten times as far"],
    ["Space · X · B", "include · exclude at the crosshair · corner of a box"],
    ["V P R H", "point · brush · eraser · move"],
    ["[ ]", "with the brush its size, in everything mode parts and wholes"],
    ["E", "everything mode: find all objects"],
    ["?", "this help"],
  ],
  done: "Done",

  // token and failures
  tokenTitle: "This server needs its token",
  tokenText: "It was printed where `anymask serve` was started.",
  token: "Token",
  tokenGo: "Continue",
  tokenWrong: "This token is not the right one.",
  failed: (reason) => `That did not work: ${reason}`,
  offline: "The server cannot be reached. Is anymask serve running?",
  busy: (seconds) => `The server is busy; trying again in ${seconds} s.`,
  storageFull: "This browser has no room left; your work will not survive a reload.",
};

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
