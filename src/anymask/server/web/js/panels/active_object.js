/** The active object: its name, its share and score, its alternatives, its prompts, its clean-up. */

import { el, iconButton } from "../ui/dom.js";
import { LIMIT } from "../core/alternatives.js";
import { factsOf } from "../core/labels.js";
import { COLOURS } from "../core/palette.js";
import { canSplit } from "../core/state.js";
import { S } from "../core/strings.js";
import { tint } from "../canvas/tint.js";

const SIZES = [0, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000];

export class ActiveObject {
  /**
   * @param {HTMLElement} body
   * @param {(action: object) => void} act
   * @param {object} preview shows on the stage: clean({holes, islands} | null) what the clean-up would do, and returns
   *   {filled, dropped}; alternative(mask | null) one of the alternatives
   * @param {() => void} split
   */
  constructor(body, act, preview, split) {
    this.body = body;
    this.act = act;
    this.preview = preview;
    this.split = split;
    this.clean = { open: false, holes: 4, islands: 4 };
    this.objectId = null;
    this.alternatives = []; // what 1, 2, 3 … stand for
    this.pendingPick = null; // a key that was pressed before they were here
    this.object = null;
  }

  /** Draw anew. @param {object | null} object @param {object | null} mask if it is in the cache */
  show(object, mask) {
    if (object?.id !== this.objectId) {
      this.objectId = object?.id ?? null;
      this.clean.open = false;
    }
    if (!object) {
      const touch = matchMedia("(pointer: coarse)").matches;
      this.body.replaceChildren(el("p", { class: "hint" }, touch ? S.activeHintTouch : S.activeHint));
      return;
    }
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    this.alternatives = [];
    if (object !== this.object) this.pendingPick = null;
    this.object = object;
    this.body.replaceChildren(
      this.#name(object),
      el("p", { class: "facts", id: "facts" }, mask ? factsOf(mask) : ""),
      this.#alternatives(object.steps[object.steps.length - 1]),
      this.#chips(object),
      this.#cleanUp(mask),
      el(
        "div",
        { class: "row" },
        el(
          "button",
          {
            type: "button",
            class: "button primary",
            id: "accept",
            "data-part": "accept",
            click: () => this.act({ type: "accept" }),
          },
          S.accept,
        ),
        el(
          "button",
          {
            type: "button",
            class: "button",
            id: "clear",
            "data-part": "clear",
            click: () => this.act({ type: "clear" }),
          },
          S.clear,
        ),
        canSplit(object)
          ? el(
              "button",
              { type: "button", class: "button", id: "split", title: S.splitTitle, "data-part": "split", click: this.split },
              S.split,
            )
          : null,
      ),
    );
    if (focused) this.body.querySelector(`[data-part="${focused}"]`)?.focus();
  }

  /** Show the alternatives on their buttons. @param {import("../core/alternatives.js").Alternative[]} alternatives */
  showAlternatives(alternatives, object, image) {
    this.alternatives = alternatives;
    if (this.pendingPick !== null) return this.pick(this.pendingPick);
    this.body.querySelectorAll(".alternative").forEach((button, index) => {
      const alternative = alternatives[index];
      button.disabled = !alternative;
      button.setAttribute("aria-checked", String(Boolean(alternative?.picked)));
      if (!alternative) return;
      const { bitmap, score } = alternative.mask;
      const label = S.alternative(index + 1, bitmap.area / (bitmap.width * bitmap.height), score);
      button.setAttribute("aria-label", label);
      button.title = label;
      button.querySelector("span").textContent = S.alternativeShort(index + 1, score);
      drawThumbnail(button.querySelector("canvas"), image, bitmap, COLOURS[object.colour % COLOURS.length]);
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

  #name(object) {
    return el("input", {
      class: "field",
      id: "active-name",
      value: object.name,
      placeholder: S.unnamed(object.id),
      maxLength: 80,
      "aria-label": S.name,
      "data-part": "name",
      change: (event) => this.act({ type: "rename", id: object.id, name: event.target.value.trim() }),
      keydown: (event) => event.key === "Enter" && (event.target.blur(), document.getElementById("canvas").focus()),
    });
  }

  #alternatives(last) {
    const group = el("div", { class: "alternatives", role: "radiogroup", "aria-label": S.alternatives });
    if (!last || !["point", "box"].includes(last.kind)) return group;
    for (let index = 0; index < LIMIT; index++) {
      const show = () => this.preview.alternative(this.alternatives[index]?.mask ?? null);
      const hide = () => this.preview.alternative(null);
      const about = {
        type: "button",
        class: "alternative",
        role: "radio",
        "aria-checked": "false",
        disabled: true,
        "data-part": `alternative-${index}`,
      };
      group.append(
        el(
          "button",
          {
            ...about,
            "aria-label": S.alternatives,
            click: () => this.pick(index),
            pointerenter: (event) => event.pointerType !== "touch" && show(),
            pointerleave: hide,
            blur: hide,
          },
          el("canvas", { width: 1, height: 1 }),
          el("span"),
        ),
      );
    }
    return group;
  }

  #chips(object) {
    const list = el("ul", { class: "chips", "aria-label": S.prompts });
    const chip = (kind, label, remove) =>
      list.append(
        el("li", { class: `chip ${kind}` }, label, iconButton("remove", S.removeStep(label), remove, { class: "" })),
      );
    object.steps.forEach((step, index) => {
      const { kind, label } = describe(step);
      chip(kind, label, () => this.act({ type: "removeStep", index }));
    });
    object.edits.forEach((edit, index) =>
      chip(edit.kind, S.step[edit.kind], () => this.act({ type: "removeEdit", index })),
    );
    return list;
  }

  #cleanUp(mask) {
    const facts = el("p", { class: "facts", id: "clean-facts" });
    const update = () => {
      const { holes, islands } = this.#sizes();
      const { filled, dropped } = this.preview.clean(this.clean.open ? { holes, islands } : null);
      facts.textContent = S.cleanPreview(filled, dropped);
      apply.disabled = !filled.length && !dropped.length;
    };
    const slider = (name, label) => {
      const output = el("output", {}, S.pixels(SIZES[this.clean[name]]));
      const input = el("input", {
        type: "range",
        min: 0,
        max: SIZES.length - 1,
        value: this.clean[name],
        id: `clean-${name}`,
        "data-part": `clean-${name}`,
        input: (event) => {
          this.clean[name] = Number(event.target.value);
          output.textContent = S.pixels(SIZES[this.clean[name]]);
          event.target.setAttribute("aria-valuetext", output.textContent);
          update();
        },
        "aria-valuetext": S.pixels(SIZES[this.clean[name]]),
      });
      return el("label", {}, label, output, input);
    };
    const apply = el(
      "button",
      {
        type: "button",
        class: "button",
        id: "clean-apply",
        "data-part": "clean-apply",
        click: () => this.act({ type: "edit", edit: { kind: "clean", ...this.#sizes() } }),
      },
      S.apply,
    );
    const details = el(
      "details",
      {
        class: "clean",
        open: this.clean.open,
        toggle: () => {
          this.clean.open = details.open;
          update();
        },
      },
      el("summary", { "data-part": "clean" }, S.clean),
      slider("holes", S.holes),
      slider("islands", S.islands),
      facts,
      apply,
    );
    if (mask && this.clean.open) update();
    return details;
  }

  #sizes() {
    return { holes: SIZES[this.clean.holes], islands: SIZES[this.clean.islands] };
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
