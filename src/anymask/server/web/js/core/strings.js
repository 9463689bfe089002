/** All texts of the application, for the screen and for screen readers. */

const whole = new Intl.NumberFormat("en");
const percent = (share) => `${(share * 100).toFixed(share < 0.0995 ? 2 : 1)} %`;
const count = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;

export const S = {
  // the bar
  openImage: "Open image",
  takePhoto: "Take a photo",
  theme: "Dark or light",
  help: "Help and keyboard",
  themeNow: (name) => `Colours: ${{ auto: "as the system", dark: "dark", light: "light" }[name]}`,

  // the stage
  tools: "Tools",
  panel: "Objects and export",
  canvas: (name) => `Image ${name}`,
  noImage: "No image yet",
  canvasHelp:
    "Arrow keys move the crosshair, with Shift ten times as far. Space includes the pixel, X excludes it, B starts and " +
    "ends a box. 1 to 6 pick an alternative. Enter accepts the object, Escape clears it. Plus and minus zoom.",
  welcomeTitle: "Click an object, get its mask",
  welcomeText: "Drop an image here, paste one, or pick a file.",
  pickImage: "Pick an image",
  welcomeHint: "The image stays on this computer, unless the server runs on another one.",
  dropHere: "Drop the image",
  zoom: "Zoom",
  zoomIn: "Zoom in (+)",
  zoomOut: "Zoom out (−)",
  zoomFit: "Whole image (0)",
  encodingWindow: "Encoding the visible part …",
  closeUp: "Close-up",
  zoomLevel: (scale) => `${scale < 0.1 ? (scale * 100).toFixed(1) : Math.round(scale * 100)} %`,

  // tools
  select: "Prompt: click includes, right click excludes, drag for a box (V)",
  exclude: "Clicks exclude (X)",
  brush: "Brush: add pixels (P)",
  erase: "Eraser: remove pixels (R)",
  pan: "Move the image (H)",
  everything: "Everything: find all objects (E)",
  undo: "Undo (Ctrl+Z)",
  redo: "Redo (Ctrl+Y)",
  brushSize: "Brush size",

  // reading and encoding
  progress: "Progress",
  reading: (name) => `Reading ${name} …`,
  sending: (share) => `Uploading the image: ${Math.round(share * 100)} %`,
  encoding: "Encoding the image …",
  ready: (name, width, height) => `${name}, ${width} by ${height} pixels, is ready. Click an object.`,
  restored: (n) => `${count(n, "object")} restored.`,
  notAnImage: "This is not an image.",

  // text prompt
  textTitle: "Find by text",
  textExample: "e.g. cup, spoon",
  textFind: "Find",
  searching: (text) => `Searching for ${text} …`,
  detections: (n, text) => (n ? `${count(n, "object")} found for ${text}.` : `Nothing found for ${text}.`),

  // the active object
  activeTitle: "This object",
  activeHint: "Click an object in the image. Click again to add to the mask, right-click to remove, drag for a box.",
  activeHintTouch: "Tap an object in the image. Tap again to add to the mask; drag with one finger for a box.",
  name: "Name",
  unnamed: (id) => `Object ${id}`,
  facts: (share, score) => `${percent(share)} of the image` + (score === null ? "" : `, score ${score.toFixed(2)}`),
  alternatives: "Alternatives",
  alternative: (n, share, score) =>
    `Alternative ${n}: ${percent(share)} of the image` + (score === null ? "" : `, score ${score.toFixed(2)}`) + ` (${n})`,
  alternativeShort: (n, score) => (score === null ? `${n}` : `${n}  ${score.toFixed(2)}`),
  split: "Split (G)",
  splitTitle: "The clicks are on different objects: make one of each (G)",
  prompts: "Prompts",
  step: {
    include: (x, y) => `${x}, ${y}`,
    exclude: (x, y) => `not ${x}, ${y}`,
    box: ([x0, y0, x1, y1]) => `${x0}, ${y0} – ${x1}, ${y1}`,
    mask: "region",
    group: (n) => count(n, "click"),
    brush: "brush",
    erase: "eraser",
    clean: "clean-up",
  },
  removeStep: (label) => `Remove ${label}`,
  accept: "Accept (Enter)",
  clear: "Clear (Esc)",
  clean: "Remove small holes and islands",
  holes: "Fill holes below",
  islands: "Remove islands below",
  pixels: (n) => (n ? `${whole.format(n)} px` : "off"),
  cleanPreview: (filled, dropped) =>
    filled.length || dropped.length
      ? [
          filled.length ? `fills ${count(filled.length, "hole")}, ${whole.format(sum(filled))} px` : "",
          dropped.length ? `removes ${count(dropped.length, "island")}, ${whole.format(sum(dropped))} px` : "",
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
  everythingDone: (n) => `${count(n, "region")}. Click one to add it; the wheel goes from parts to wholes.`,
  everythingStopped: (n) => `Stopped with ${count(n, "region")}. Click one to add it.`,
  region: (share, score, level, levels) =>
    `Region: ${percent(share)} of the image` +
    (score === null ? "" : `, score ${score.toFixed(2)}`) +
    (levels > 1 ? `, level ${level} of ${levels}` : ""),
  stop: "Stop",
  addAll: "Add all",
  close: "Close",

  // export
  exportTitle: "Export",
  exportFormat: "Format",
  download: "Save",
  copyPython: "Copy Python",
  copyShell: "Copy command",
  copied: { python: "Python code copied.", shell: "Command line copied." },
  copyFailed: "The browser did not allow copying; the text is selected in the window below.",
  browserFormats: {
    cutout: "Cut-out (PNG, transparent)",
    prompts: "Prompt log (JSON)",
  },
  nothingToExport: "There is no object to save yet.",
  saved: (name) => `Saved ${name}.`,

  // what was done, in the status line
  message: {
    selected: (name, facts) => `${name}: ${facts}.`,
    broken: " It does not follow every prompt.",
    accepted: (name) => `${name} accepted. Click the next object.`,
    cleared: "Cleared.",
    undone: "Undone.",
    redone: "Redone.",
    nothingToUndo: "Nothing to undo.",
    nothingToRedo: "Nothing to redo.",
    reopened: (name) => `${name} is open; its prompts can be changed.`,
    removed: (name) => `${name} deleted. Undo restores it.`,
    excluding: (on) => (on ? "Clicks exclude now." : "Clicks include now."),
    nothingToSplit: "Click two or more objects first; G makes one object of each.",
    oneObject: "All clicks are on one object.",
    split: (n) => `Split into ${count(n, "object")}.`,
    boxStarted: "Box started; move the crosshair and press B again.",
    boxTooSmall: "The box is too small.",
    at: (x, y) => `${x}, ${y}`,
    outside: "Outside the image.",
  },

  // help
  helpTitle: "How it works",
  keys: [
    ["Click · right click or Alt+click", "include · exclude a pixel"],
    ["Drag", "a box around the object"],
    ["Drag a marker · click it", "move it · remove it"],
    ["1 … 6 · [ ]", "pick an alternative"],
    ["G", "clicks on different objects: split into one object each"],
    ["Enter · Esc", "accept the object and start the next · clear it"],
    ["Ctrl+Z · Ctrl+Y", "undo · redo, every step"],
    ["Wheel, pinch, + −, 0", "zoom; 0 shows the whole image"],
    ["Middle drag, two fingers, Ctrl+arrows", "move the image"],
    ["Arrow keys · with Shift", "move the crosshair · ten times as far"],
    ["Space · X · B", "include · exclude at the crosshair · corner of a box"],
    ["V P R H", "prompt · brush · eraser · move"],
    ["[ ]", "brush size; in everything mode parts and wholes"],
    ["E", "everything mode: find all objects"],
    ["?", "this help"],
  ],
  done: "Done",

  // token and failures
  tokenTitle: "This server needs a token",
  tokenText: "`anymask serve` prints it when it starts.",
  token: "Token",
  tokenGo: "Continue",
  tokenWrong: "The token is wrong.",
  failed: (reason) => `This failed: ${reason}`,
  offline: "The server cannot be reached. Is anymask serve running?",
  busy: (seconds) => `The server is busy; trying again in ${seconds} s.`,
  storageFull: "The browser's storage is full; your work will be lost when the page reloads.",
};

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
