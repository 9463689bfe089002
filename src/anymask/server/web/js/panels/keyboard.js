/** The keyboard: which key means what. Letters and digits count only where nothing is being typed. */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {Record<string, Function>} meant what to do, by name */
export function listenToKeys(canvas, meant) {
  document.addEventListener("keydown", (event) => {
    canvas.classList.remove("pointed");
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches("input:not([type=range]), textarea, select, [contenteditable]")) {
      if (event.key === "Escape") canvas.focus();
      return;
    }
    const act = meaning(event, meant, target === canvas || target === document.body);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function meaning(event, meant, onStage) {
  const { key } = event;
  const low = key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (low === "z") return event.shiftKey ? meant.redo : meant.undo;
    if (low === "y") return meant.redo;
    if (onStage && ARROWS[key]) return () => meant.pan(...ARROWS[key]);
    return null;
  }
  if (event.altKey) return null;
  if (onStage && ARROWS[key]) return () => meant.crosshair(...ARROWS[key], event.shiftKey ? 10 : 1);
  if (onStage && key === " ") return () => meant.place(event.shiftKey);
  if (onStage && key === "Enter") return meant.accept;
  if (key === "Escape") return meant.clear;
  if (key === "Delete" || key === "Backspace") return onStage ? meant.undo : null;
  if (!event.repeat && "123456".includes(key)) return () => meant.alternative(Number(key) - 1);
  return LETTERS(meant, event, onStage)[low] ?? null;
}

const LETTERS = (meant, event, onStage) => ({
  "+": meant.zoomIn,
  "=": meant.zoomIn,
  "-": meant.zoomOut,
  0: meant.zoomFit,
  "?": meant.help,
  "[": () => meant.step(-1),
  "]": () => meant.step(1),
  v: () => meant.tool("select"),
  p: () => meant.tool("brush"),
  r: () => meant.tool("erase"),
  h: () => meant.tool("pan"),
  e: meant.everything,
  g: meant.split,
  b: onStage ? meant.corner : null,
  x: onStage && meant.crosshairShown() ? () => meant.place(true) : meant.exclude,
});
