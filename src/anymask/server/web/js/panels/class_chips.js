/** The classes above Accept: one click or one digit gives the class to the selected objects, or the active one. */

import { hideError, showError } from "../ui/live_region.js";
import { arrange, byId, el } from "../ui/dom.js";
import { classes, rgbOf, rgbOfHex } from "../core/classes.js";
import { S } from "../core/strings.js";

const MOST = 40; // names that are offered without a project

export class ClassChips {
  /**
   * @param {import("../app.js").App} app
   * @param {import("../selection.js").Selection} selection
   * @param {import("../project/project.js").Project} project
   * @param {() => void} edit opens the list of classes
   */
  constructor(app, selection, project, edit) {
    Object.assign(this, { app, selection, project });
    this.chips = new Map(); // by key
    this.list = byId("class-chips");
    this.input = el("input", {
      id: "new-class",
      class: "new-class",
      maxLength: 80,
      placeholder: S.newClass,
      "aria-label": S.newClass,
      keydown: (event) => event.key === "Enter" && (event.preventDefault(), this.#add()),
    });
    this.edit = el("button", { type: "button", class: "class-chip", id: "edit-classes", click: edit }, S.editClasses);
  }

  /** Show the classes; without a project, the names of the objects. */
  show() {
    const target = this.#targets.at(-1);
    const rows = classes.inUse ? this.#classes(target) : this.#names(target);
    const elements = rows.map(({ key, ...about }) => this.#chip(key, about));
    arrange(this.list, classes.inUse ? [...elements, this.input, this.edit] : elements);
    this.list.hidden = !classes.inUse && !elements.length;
  }

  /** Give the class with this key. @returns {boolean} whether there is one */
  pressKey(key) {
    const match = classes.list.find((each) => each.key === key);
    if (match) this.#give(match.id);
    return Boolean(match);
  }

  get #targets() {
    const { app, selection } = this;
    const { ids } = selection;
    if (ids.length) return app.state.objects.filter((object) => ids.includes(object.id));
    return app.active ? [app.active] : [];
  }

  #classes(target) {
    const pressed = target ? (classes.of(target)?.id ?? null) : classes.current;
    return classes.list.map(({ id, name, colour, key: digit }) => ({
      key: `class ${id}`,
      name,
      digit,
      rgb: rgbOfHex(colour),
      pressed: pressed === id,
      give: () => this.#give(pressed === id ? null : id), // a second click takes the class away again
    }));
  }

  #names(target) {
    const named = new Map();
    for (const object of this.app.state.objects) if (object.name && !named.has(object.name)) named.set(object.name, object);
    return [...named].slice(0, MOST).map(([name, object]) => ({
      key: `name ${name}`,
      name,
      digit: null,
      rgb: rgbOf(object),
      pressed: target?.name === name,
      give: () => {
        const ids = this.#targets.map((each) => each.id);
        if (ids.length) this.app.act({ type: "rename", ids, name });
      },
    }));
  }

  #give(id) {
    classes.current = id;
    const ids = this.#targets.map((object) => object.id);
    if (ids.length) this.app.act({ type: "classify", ids, class: id });
    this.show();
  }

  async #add() {
    const name = this.input.value.trim();
    if (!name) return;
    hideError("class-error");
    this.input.value = ""; // at once: when the class is there, the next name may be half typed
    byId("canvas").focus();
    try {
      this.#give((await this.project.addClass(name)).id);
    } catch (error) {
      this.input.value ||= name;
      showError("class-error", error);
    }
  }

  #chip(key, { name, digit, rgb, pressed, give }) {
    if (!this.chips.has(key)) {
      const dot = el("span", { class: "class-dot" });
      const text = el("span", { class: "class-name" });
      const digitKey = el("kbd");
      const element = el("button", { type: "button", class: "class-chip" }, dot, text, digitKey);
      this.chips.set(key, { element, dot, text, digitKey });
    }
    const chip = this.chips.get(key);
    chip.element.onclick = give;
    chip.element.title = name;
    chip.element.setAttribute("aria-pressed", String(pressed));
    chip.dot.style.backgroundColor = `rgb(${rgb.join(" ")})`;
    if (chip.text.textContent !== name) chip.text.textContent = name;
    chip.digitKey.textContent = digit ?? "";
    chip.digitKey.hidden = !digit;
    return chip.element;
  }
}
