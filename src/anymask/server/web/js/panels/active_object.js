/** The active object: its name, its share and score, its alternatives, its prompts, its clean-up. */

import { el, iconButton } from "../ui/dom.js";
import { LIMIT } from "../core/alternatives.js";
import { factsOf } from "../core/labels.js";
import { classes, rgbOf } from "../core/classes.js";
import { canSplit } from "../core/state.js";
import { S } from "../core/strings.js";
import { tint } from "../canvas/tint.js";
import { CleanUp } from "./clean_up.js";

export class ActiveObject {
  /**
   * @param {HTMLElement} body
   * @param {(action: object) => void} act
   * @param {object} preview shows on the stage: clean({holes, islands} | null) what the clean-up would do, and returns
   *   {filled, dropped}; alternative(mask | null) one of the alternatives
   * @param {() => void} split
   */
  constructor(body, act, preview, split) {
    this.act = act;
    this.preview = preview;
    this.object = null;
    this.alternatives = []; // what 1, 2, 3 … stand for
    this.pendingPick = null; // a key that was pressed before they were here
    this.hint = el("p", { class: "hint" }, matchMedia("(pointer: coarse)").matches ? S.activeHintTouch : S.activeHint);
    this.name = this.#name();
    this.facts = el("p", { class: "facts", id: "facts" });
    this.buttons = Array.from({ length: LIMIT }, (_, index) => this.#alternative(index));
    this.group = el("div", { class: "alternatives", role: "radiogroup", "aria-label": S.alternatives }, ...this.buttons);
    this.chips = el("ul", { class: "chips", "aria-label": S.prompts });
    this.split = el("button", { type: "button", class: "button", id: "split", title: S.splitTitle, click: split }, S.split);
    this.cleanUp = new CleanUp(preview.clean, act);
    this.about = el("div", {}, this.name, this.facts, this.group, this.chips, this.split, this.cleanUp.element);
    body.replaceChildren(this.hint, this.about);
  }

  /** Show an object, or that there is none. @param {object | null} object @param {object | null} mask if it is in the cache */
  show(object, mask) {
    this.hint.hidden = object !== null;
    this.about.hidden = object === null;
    if (object?.id !== this.object?.id) this.cleanUp.close();
    const before = this.object;
    this.object = object;
    if (!object) return;
    if (object !== before) {
      this.alternatives = [];
      this.pendingPick = null;
      for (const button of this.buttons) button.disabled = true;
    }
    if (document.activeElement !== this.name || object.id !== before?.id) this.name.value = object.name;
    this.name.hidden = classes.inUse; // the chips above Accept give the class
    this.name.placeholder = S.unnamed(object.id);
    this.facts.textContent = mask ? factsOf(mask) : "";
    this.group.hidden = !["point", "box"].includes(object.steps[object.steps.length - 1]?.kind);
    if (object.steps !== before?.steps || object.edits !== before?.edits) this.#showChips(object);
    this.split.hidden = !canSplit(object);
    this.cleanUp.show(mask);
  }

  /** Show the alternatives on their buttons. @param {import("../core/alternatives.js").Alternative[]} alternatives */
  showAlternatives(alternatives, object, image) {
    this.alternatives = alternatives;
    if (this.pendingPick !== null) return this.pick(this.pendingPick);
    this.buttons.forEach((button, index) => {
      const alternative = alternatives[index];
      button.disabled = !alternative;
      button.setAttribute("aria-checked", String(Boolean(alternative?.picked)));
      if (!alternative) return;
      const { bitmap, score } = alternative.mask;
      const label = S.alternative(index + 1, bitmap.area / (bitmap.width * bitmap.height), score);
      button.setAttribute("aria-label", label);
      button.title = label;
      button.querySelector("span").textContent = S.alternativeShort(index + 1, score);
      drawThumbnail(button.querySelector("canvas"), image, bitmap, rgbOf(object));
    });
  }

  /** Pick one of the alternatives by its index. */
  pick(index) {
    this.pendingPick = this.alternatives.length ? null : index;
    const alternative = this.alternatives[index];
    if (alternative) this.act({ type: "pick", pick: alternative.picked ? {} : alternative.pick });
  }

  /** Pick the next alternative (1) or the one before (-1). */
  cycle(by) {
    const at = this.alternatives.findIndex((alternative) => alternative.picked);
    const next = this.alternatives[(at + by + this.alternatives.length) % this.alternatives.length];
    if (next) this.act({ type: "pick", pick: next.pick });
  }

  #name() {
    return el("input", {
      class: "field",
      id: "active-name",
      maxLength: 80,
      "aria-label": S.name,
      change: (event) => this.object && this.act({ type: "rename", id: this.object.id, name: event.target.value.trim() }),
      keydown: (event) => event.key === "Enter" && (event.target.blur(), document.getElementById("canvas").focus()),
    });
  }

  #alternative(index) {
    const hide = () => this.preview.alternative(null);
    return el(
      "button",
      {
        type: "button",
        class: "alternative",
        role: "radio",
        "aria-checked": "false",
        "aria-label": S.alternatives,
        disabled: true,
        click: () => this.pick(index),
        pointerenter: (event) => event.pointerType !== "touch" && this.preview.alternative(this.alternatives[index]?.mask ?? null),
        pointerleave: hide,
        blur: hide,
      },
      el("canvas", { width: 1, height: 1 }),
      el("span"),
    );
  }

  #showChips({ steps, edits }) {
    const chip = (kind, label, remove) =>
      el("li", { class: `chip ${kind}` }, label, iconButton("remove", S.removeStep(label), remove, { class: "" }));
    this.chips.replaceChildren(
      ...steps.map((step, index) => {
        const { kind, label } = describe(step);
        return chip(kind, label, () => this.act({ type: "removeStep", index }));
      }),
      ...edits.map((edit, index) => chip(edit.kind, S.step[edit.kind], () => this.act({ type: "removeEdit", index }))),
    );
  }
}

function describe(step) {
  if (step.kind === "box") return { kind: "box", label: S.step.box(step.box) };
  if (step.kind === "mask") return { kind: "mask", label: S.step.mask };
  if (step.kind === "group") return { kind: "include", label: S.step.group(step.own.points.length) };
  const kind = step.label ? "include" : "exclude";
  return { kind, label: S.step[kind](step.x, step.y) };
}

function drawThumbnail(canvas, image, bitmap, colour) {
  const scale = Math.min(1, 220 / image.width, 165 / image.height);
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(image.pixels, 0, 0, canvas.width, canvas.height);
  context.fillStyle = "rgb(0 0 0 / 0.45)";
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (!bitmap.columns) return;
  context.drawImage(
    tint(bitmap, colour, 0.8),
    bitmap.x * scale,
    bitmap.y * scale,
    bitmap.columns * scale,
    bitmap.rows * scale,
  );
}
