/** The tools beside the image. */

import { byId, el, iconButton } from "../ui/dom.js";
import { S } from "../core/strings.js";

const TOOLS = ["select", "brush", "erase", "pan"];

/** Make the toolbar. @param {object} act what its buttons do @returns {{show: Function}} to show what is selected */
export function makeToolbar(act) {
  const bar = byId("tools");
  const tools = TOOLS.map((name) => iconButton(name, S[name], () => act.setTool(name), { id: `tool-${name}` }));
  const exclude = iconButton("exclude", S.exclude, act.exclude, { id: "tool-exclude" });
  const everything = iconButton("everything", S.everything, act.everything, { id: "tool-everything" });
  const undo = iconButton("undo", S.undo, act.undo, { id: "undo" });
  const redo = iconButton("redo", S.redo, act.redo, { id: "redo" });
  bar.append(tools[0], exclude, everything, el("hr"), ...tools.slice(1), el("hr"), undo, redo);
  moveWithArrows(bar);
  return {
    show(view, history, ready, everythingOn) {
      TOOLS.forEach((name, index) => tools[index].setAttribute("aria-pressed", String(name === view.tool)));
      exclude.setAttribute("aria-pressed", String(view.exclude));
      everything.setAttribute("aria-pressed", String(everythingOn));
      for (const button of [...tools, exclude, everything]) button.disabled = !ready;
      undo.disabled = !history.past.length;
      redo.disabled = !history.future.length;
    },
  };
}

/** A toolbar is one stop for the Tab key; arrows go on inside it. */
function moveWithArrows(bar) {
  const buttons = [...bar.querySelectorAll("button")];
  buttons.forEach((button, index) => (button.tabIndex = index ? -1 : 0));
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const usable = buttons.filter((button) => !button.disabled);
    const at = usable.indexOf(document.activeElement);
    usable[(at + by + usable.length) % usable.length]?.focus();
  });
  bar.addEventListener("focusin", (event) => {
    buttons.forEach((button) => (button.tabIndex = button === event.target ? 0 : -1));
  });
}
