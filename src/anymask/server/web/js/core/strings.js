/** All texts of the application, for the screen and for screen readers. */

const whole = new Intl.NumberFormat("en");
const percent = (share) => `${(share * 100).toFixed(share < 0.0995 ? 2 : 1)} %`;
const count = (n, one, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;

export const S = {
  // the bar
  openImage: "Open image",
  takePhoto: "Take a photo",
  theme: "Theme: dark or light",
  help: "Help and keyboard",
  themeNow: (name) => `Theme: ${{ auto: "same as the system", dark: "dark", light: "light" }[name]}`,

  // the stage
  tools: "Tools",
  panel: "Objects and export",
  canvas: (name) => `Image ${name}`,
  noImage: "No image yet",
  canvasHelp:
    "Arrow keys move the crosshair, with Shift ten times as far. Space includes the pixel, X excludes it, B starts and " +
    "ends a box. 1 to 6 pick an alternative. Enter accepts the object, Escape clears it. Plus and minus zoom.",
  welcomeTitle: "Click an object, get its mask",
  welcomeText: "Drop an image here, paste one, or pick a file. A folder or several images become a project.",
  pickImage: "Pick images",
  welcomeHint: "The image stays on this computer, unless the server runs on another one.",
  dropHere: "Drop images or a folder",
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
  detections: (n, text, duplicates) =>
    (n ? `${count(n, "object")} found for ${text}.` : duplicates ? `No more objects found for ${text}.` : `Nothing found for ${text}.`) +
    (duplicates ? ` ${duplicates === 1 ? "One was" : `${whole.format(duplicates)} were`} already there.` : ""),

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
  splitting: "Looking for the objects under the clicks …",
  splitTitle: "Make one object of each thing that was clicked (G)",
  prompts: "Prompts",
  step: {
    include: (x, y) => `${x}, ${y}`,
    exclude: (x, y) => `not ${x}, ${y}`,
    box: ([x0, y0, x1, y1]) => `${x0}, ${y0} – ${x1}, ${y1}`,
    mask: "region",
    group: (n) => count(n, "click"),
    brush: "brush",
    erase: "eraser",
    add: "merged",
    cut: "overlap removed",
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

  // the selected objects
  editSelected: "Edit",
  merge: "Merge",
  deleteSelected: "Delete",
  display: "Fill and overlaps",
  fill: "Opacity of the fill",
  overlapRule: "Which object keeps shared pixels",
  overlapWins: { newer: "The newer one wins", smaller: "The smaller one wins", selected: "The selected ones win" },
  removeOverlaps: "Remove overlaps",

  // inpainting
  inpaint: "Inpaint …",
  inpaintTitle: "Inpaint the object",
  inpaintHint: (large) =>
    "The object is filled in from the pixels around it. The image itself stays as it is." +
    (large ? " This suits small objects; one as large as this leaves a blur." : ""),
  inpaintNothing: "The object has no pixels.",
  inpaintRunning: "Inpainting …",
  inpaintReady: "Move the line to compare: before on its left, after on its right.",
  inpaintBefore: "Before: the image",
  inpaintAfter: "After: the image without the object",
  inpaintSplit: "Line between before and after",
  inpaintMargin: "Margin",
  inpaintCopied: "The inpainted image is on the clipboard.",
  savePng: "Save as PNG",

  // the list of objects
  objectsTitle: "Objects",
  objectsHint: "Accepted objects are listed here.",
  colourOf: (name) => `Change the colour of ${name}`,
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
  everythingDone: (n) => `${count(n, "region")}. Click one to add it; scroll to go from parts to wholes.`,
  everythingStopped: (n) => `Stopped with ${count(n, "region")}. Click one to add it.`,
  region: (share, score, level, levels) =>
    `Region: ${percent(share)} of the image` +
    (score === null ? "" : `, score ${score.toFixed(2)}`) +
    (levels > 1 ? `, level ${level} of ${levels}` : ""),
  stop: "Stop",
  addAll: "Add all",
  searchAgain: "Search again",
  added: (n, duplicates) =>
    `${count(n, "region")} added.` + (duplicates ? ` ${count(duplicates, "region")} left out: already ${duplicates === 1 ? "an object" : "objects"}.` : ""),
  close: "Close",

  // saving
  save: "Save …",
  saveTitle: "Save the objects",
  exportFormat: "Format",
  download: "Save",
  cutoutOptions: "Cut-out",
  edges: "Edges",
  edgesOf: { hard: "exactly the mask", smooth: "smooth", matte: "soft (hair, fur, glass)" },
  background: "Background",
  backgroundOf: { none: "transparent", white: "white", black: "black", blur: "the image, blurred" },
  crop: "Crop to the objects",
  copyPng: "Copy as PNG",
  pngCopied: "The cut-out is on the clipboard.",
  copyPython: "Copy Python",
  copyShell: "Copy command",
  copied: { python: "Python code copied.", shell: "Command line copied." },
  copyFailed: "The browser did not allow copying.",
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
    removedMany: (n) => `${count(n, "object")} deleted. Undo restores them.`,
    nothingToDelete: "Nothing is selected. Click an object to select it, then press Delete.",
    selection: (n) => (n ? `${count(n, "object")} selected.` : "Nothing is selected."),
    nothingToSelect: "There is no object to select here.",
    mergeNeedsTwo: "Select two or more objects first: Shift and click.",
    merged: (n) => `${count(n, "object")} merged into one. Undo separates them.`,
    overlapsRemoved: (n) => (n ? `Overlaps removed from ${count(n, "object")}.` : "No objects overlap."),
    excluding: (on) => (on ? "Clicks exclude now." : "Clicks include now."),
    nothingToSplit: "Click two or more objects first; G makes one object of each.",
    oneObject: "All clicks are on one object.",
    split: (n) => `Split into ${count(n, "object")}.`,
    boxStarted: "Box started; move the crosshair and press B again.",
    boxTooSmall: "The box is too small.",
    at: (x, y) => `${x}, ${y}`,
    outside: "Outside the image.",
  },

  // projects
  locked: "This image is being edited elsewhere. To edit it here, press Work here instead.",
  lockedBy: (name) => `${name || "Somebody else"} is working on this image.`,
  lockLost: (name) => `${name || "Somebody else"} is working on this image now. Your work is saved.`,
  lockedByTab: "This image is open in another tab.",
  earlierTitle: "Earlier images",
  earlierImage: (name, n) => `${name}, ${count(n, "object")}`,
  removeEarlier: (name) => `Delete ${name} and its objects`,
  removeEarlierSure: (name, n) => `Delete ${name} with ${count(n, "object")} from this browser? This cannot be undone.`,
  takeOver: "Work here instead",
  replaced: "Somebody else changed this image in the meantime. Undo brings back what you had.",
  fileChanged: "The image file has changed since its objects were made.",
  noFurtherImage: "No other image matches this filter.",
  allDone: "There are no more images to do.",
  projectBar: "Images of the project",
  projectLink: ({ name, images, done }) => `${name}: ${whole.format(done)} of ${count(images, "image")} done`,
  projectProgress: (done, images) => `${whole.format(done)} of ${whole.format(images)} done`,
  filesSkipped: (n) => `${count(n, "file")} left out`,
  imagesMissing: (n) => `${count(n, "image")} missing`,
  imagesMissingAdvice: "Put missing images back, or open the folder where they are now: anymask label FOLDER --project DIR",
  annotationsLeft: (n) => `${count(n, "annotation")} not opened`,
  boxesSuggested: (n) => `${count(n, "box", "boxes")} without a mask`,
  boxesSuggestedAdvice: "Boxes without a mask are suggestions: accepting one makes its mask.",
  filesAdded: (added, existed, left) =>
    (added || !left ? `${count(added, "image")} added.` : "") +
    (existed ? ` ${count(existed, "image")} with the same name and content ${existed === 1 ? "was" : "were"} already there.` : "") +
    (left ? ` ${count(left, "file")} left out.` : ""),
  noClassOfKey: (key) => `No class has the key ${key}.`,
  leftOutFile: ({ path, reason }) => `${path}: ${reason}`,
  adding: (done, total) => `Adding image ${whole.format(done + 1)} of ${whole.format(total)} …`,
  newProject: "Images",
  savedStates: { saved: "Saved", saving: "Saving …", offline: "Not saved yet: the server cannot be reached" },
  filterState: "Show images by state",
  filterClass: "Show images by class",
  filterStates: { "": "All images", todo: "To do", in_work: "In work", done: "Done", skipped: "Skipped" },
  stateSigns: { todo: "", in_work: "…", done: "✓", skipped: "–" },
  tile: ({ name, state, objects, lock, problem }) =>
    problem
      ? `${name}: ${problem}`
      : `${name}: ${{ todo: "to do", in_work: "in work", done: "done", skipped: "skipped" }[state]}, ${count(objects, "object")}` +
        (lock ? `, ${lock.name || "somebody"} is working on it` : ""),
  stripEmpty: "No image matches this filter.",
  previousImage: "Previous image (,)",
  nextImage: "Next image (.)",
  skipImage: "Skip (K)",
  imageDone: "Done (Ctrl+Enter)",
  classes: "Classes",
  anyClass: "Any class",
  withoutClass: "no class",
  newClass: "New class",
  addClass: "Add",
  editClasses: "Edit …",
  classesRequired: "Every object needs a class before its image can be done",
  mergeInto: (name) => `Merge ${name} into`,
  mergeIntoShort: "Merge into …",
  noKey: "no key",
  keyOf: (name) => `Key of ${name}`,
  colourOfClass: (name) => `Colour of ${name}`,
  objectCount: (n) => count(n, "object"),
  classWithCount: (name, n) => `${name} (${whole.format(n)})`,
  suggestionsTitle: "Suggestions",
  suggestion: (n, label, score) =>
    `${count(n, "suggestion")}. Current: ${label || "without a class"}` + (score === null ? "" : `, score ${score.toFixed(2)}`),
  suggestionAccept: "Accept (A)",
  suggestionChange: "Change (C)",
  suggestionDrop: "Drop (D)",
  suggestionAll: "Accept all",
  assist: "Assist",
  assistTitle: "Let the model suggest objects",
  assistWhat: "Look for",
  assistKinds: { text: "words", everything: "everything", check: "masks to check" },
  assistHints: {
    text: "Suggests the objects that the words name; each word is their class.",
    everything: "Suggests all regions of each image, without a class.",
    check: "Compares each object with the model's own mask for it. The review can then sort by disagreement.",
  },
  assistWords: "Words",
  assistImages: "In",
  imagesTodo: "images to do",
  imagesAll: "all images",
  assistStart: "Start",
  dropAll: "Drop its suggestions",
  job: ({ kind, words, state, done, total, found, failed, problem }) =>
    `${{ text: (words ?? []).join(", "), everything: "everything", check: "check" }[kind]}: ${whole.format(done)} of ${count(total, "image")}, ` +
    `${count(found, "suggestion")}` +
    (failed?.length ? `, ${count(failed.length, "image")} failed` : "") +
    { running: "", waiting: ", waiting", done: ", finished", cancelled: ", stopped", failed: `: ${problem}` }[state],
  jobShort: ({ done, total }) => `${whole.format(done)} of ${whole.format(total)}`,
  review: "Review",
  reviewSort: "Order of the objects",
  reviewSorts: {
    "score asc": "Lowest score first",
    "score desc": "Highest score first",
    "size asc": "Smallest first",
    "size desc": "Largest first",
    "disagreement desc": "Most disagreement first",
  },
  reviewCount: (n) => count(n, "object"),
  reviewLabel: ({ name, score }, label) => `${label} in ${name}` + (score === null ? "" : `, score ${score.toFixed(2)}`),
  reviewValue: ({ score, disagreement, area }) =>
    disagreement !== null ? `differs ${percent(disagreement)}` : score !== null ? score.toFixed(2) : `${whole.format(area)} px`,
  showMore: "Show more",
  datasetTitle: "Save dataset",
  datasetOnly: "Images",
  onlyDone: "only those that are done",
  datasetSplit: "Train and validation",
  splitShares: (train) => (train === 100 ? "not split" : `${train} % and ${100 - train} %`),
  datasetImages: "With the image files",
  leftOut: (lines) => `${count(lines.length, "thing")} left out: ${lines.slice(0, 3).join("; ")}`,
  saveThisImage: "Only this image …",

  // help
  helpTitle: "How it works",
  keys: [
    ["Click · right click or Alt+click", "include · exclude a pixel"],
    ["Click on an object's mask · Shift+click", "select it · select several"],
    ["Ctrl+click", "start a new object there"],
    ["Delete", "delete what is selected"],
    ["Drag", "a box around the object"],
    ["Drag a marker · click it", "move it · remove it"],
    ["1 … 6 · [ ]", "pick an alternative"],
    ["G", "clicks on different objects: split into one object each"],
    ["Enter · Esc", "accept the object, or open the selected one · clear"],
    ["Ctrl+Z · Ctrl+Y", "undo · redo, every step"],
    ["Wheel, pinch, + −, 0", "zoom; 0 shows the whole image"],
    ["Middle drag, two fingers, Ctrl+arrows", "move the image"],
    ["Arrow keys · with Shift", "move the crosshair · ten times as far"],
    ["Space · X · B", "include · exclude at the crosshair · corner of a box"],
    ["V P R H", "prompt · brush · eraser · move"],
    ["[ ]", "brush size; in everything mode parts and wholes"],
    ["E", "everything mode: find all objects"],
    ["?", "this help"],
    ["1 … 9", "in a project: the class of the object (Alt+1 … 6 picks an alternative)"],
    [". · ,", "next image · previous image"],
    ["Ctrl+Enter · K", "the image is done · skip it, and open the next one"],
    ["A · C · D", "accept · change · drop a suggestion"],
    ["Ctrl+S", "save"],
  ],
  done: "Done",

  // token and failures
  tokenTitle: "This server needs a token",
  tokenText: "anymask serve prints it when it starts.",
  token: "Token",
  tokenGo: "Continue",
  tokenWrong: "The token is wrong.",
  failed: (reason) => `That did not work: ${reason}`,
  offline: "The server cannot be reached. Is anymask serve running?",
  busy: (seconds) => `The server is busy; trying again in ${seconds} s.`,
  storageFull: "The browser's storage is full; your work will be lost when the page reloads.",
};

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
