/** The keyboard: which key means what. Letters and digits count only where nothing is being typed. */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {Record<string, Function>} handlers what to do, by name */
export function listenToKeys(canvas, handlers) {
  document.addEventListener("keydown", (event) => {
    canvas.classList.remove("mouse-used");
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches("input:not([type=range]), textarea, select, [contenteditable]")) {
      if (event.key === "Escape") canvas.focus();
      return;
    }
    const act = meaning(event, handlers, target === canvas || target === document.body);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function meaning(event, handlers, onStage) {
  const { key } = event;
  const low = key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (low === "z") return event.shiftKey ? handlers.redo : handlers.undo;
    if (low === "y") return handlers.redo;
    if (low === "s") return handlers.save;
    if (key === "Enter") return handlers.done;
    if (onStage && ARROWS[key]) return () => handlers.pan(...ARROWS[key]);
    return null;
  }
  const digit = /^Digit([1-9])$/.exec(event.code)?.[1];
  if (event.altKey) return digit && digit <= 6 ? () => handlers.alternative(Number(digit) - 1) : null;
  if (onStage && ARROWS[key]) return () => handlers.crosshair(...ARROWS[key], event.shiftKey ? 10 : 1);
  if (onStage && key === " ") return () => handlers.place(event.shiftKey);
  if (onStage && key === "Enter") return handlers.accept;
  if (key === "Escape") return handlers.clear;
  if (key === "Delete" || key === "Backspace") return handlers.remove;
  if (!event.repeat && "123456789".includes(key) && handlers.inProject()) return () => handlers.classKey(key);
  if (!event.repeat && "123456".includes(key)) return () => handlers.alternative(Number(key) - 1);
  if (key === "PageDown") return handlers.next;
  if (key === "PageUp") return handlers.previous;
  return LETTERS(handlers, event, onStage)[low] ?? null;
}

const LETTERS = (handlers, event, onStage) => ({
  "+": handlers.zoomIn,
  "=": handlers.zoomIn,
  "-": handlers.zoomOut,
  0: handlers.zoomFit,
  "?": handlers.help,
  "[": () => handlers.step(-1),
  "]": () => handlers.step(1),
  v: () => handlers.tool("select"),
  p: () => handlers.tool("brush"),
  r: () => handlers.tool("erase"),
  h: () => handlers.tool("pan"),
  e: handlers.everything,
  g: handlers.split,
  ".": handlers.next,
  ",": handlers.previous,
  k: handlers.skip,
  a: handlers.suggestion?.accept,
  c: handlers.suggestion?.change,
  d: handlers.suggestion?.drop,
  b: onStage ? handlers.corner : null,
  x: onStage && handlers.hasCrosshair() ? () => handlers.place(true) : handlers.exclude,
});
