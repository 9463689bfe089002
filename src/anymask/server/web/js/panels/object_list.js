/** The list of objects: names, colours, order, visibility, and the way back to their prompts.
 *
 * Rows stay the same elements while the list changes: a click that begins on a button ends on it.
 */

import { arrange, el, iconButton, setIcon } from "../ui/dom.js";
import { nameOf } from "../core/labels.js";
import { COLOURS } from "../core/palette.js";
import { classes, rgbOf } from "../core/classes.js";
import { S } from "../core/strings.js";

export class ObjectList {
  /**
   * @param {HTMLElement} list
   * @param {object} handlers act(action); select(id, event) a click on a row; light(id | null) the cursor on a row
   */
  constructor(list, handlers) {
    this.list = list;
    this.handlers = handlers;
    this.rows = new Map(); // by id of the object
    this.hint = el("li", { class: "hint" }, S.objectsHint);
  }

  /**
   * Show the objects.
   *
   * @param {object} state see state.js
   * @param {import("../core/view_state.js").ViewState} view which are selected, which is under the cursor
   * @param {(object: object) => object | null} maskOf the mask of an object, if it is in the cache
   */
  show(state, view, maskOf) {
    const present = new Set(state.objects.map((object) => object.id));
    for (const id of this.rows.keys()) if (!present.has(id)) this.rows.delete(id);
    const elements = state.objects.map((object, index) => {
      if (!this.rows.has(object.id)) this.rows.set(object.id, new Row(object.id, this.handlers));
      const row = this.rows.get(object.id);
      row.show(object, { first: index === 0, last: index === state.objects.length - 1, active: object.id === state.active });
      row.showMask(maskOf(object));
      row.mark(view.selected.has(object.id), view.lit === object.id);
      return row.element;
    });
    arrange(this.list, elements.length ? elements : [this.hint]);
  }

  /** Show which objects are selected and which one is under the cursor. */
  mark(view) {
    for (const [id, row] of this.rows) row.mark(view.selected.has(id), view.lit === id);
  }
}

class Row {
  constructor(id, { act, select, light }) {
    this.id = id;
    const part = (about) => ({ "data-part": `${about}-${id}` });
    this.swatch = el("button", {
      type: "button",
      class: "swatch",
      ...part("colour"),
      click: () => act({ type: "recolour", id, colour: (this.object.colour + 1) % COLOURS.length }),
    });
    this.name = el("input", {
      class: "object-name",
      placeholder: S.unnamed(id),
      maxLength: 80,
      "aria-label": S.nameOf(S.unnamed(id)),
      ...part("name"),
      change: (event) => act({ type: "rename", id, name: event.target.value.trim() }),
      keydown: (event) => event.key === "Enter" && event.target.blur(),
    });
    this.className = el("span", { class: "object-class" });
    this.share = el("span", { class: "object-share" });
    this.eye = iconButton("eye", "", () => act({ type: "show", id, visible: !this.object.visible }), part("show"));
    this.up = iconButton("up", "", () => act({ type: "move", id, by: -1 }), part("up"));
    this.down = iconButton("down", "", () => act({ type: "move", id, by: 1 }), part("down"));
    this.edit = iconButton("edit", "", () => act({ type: "open", id }), part("open"));
    this.remove = iconButton("remove", "", () => act({ type: "remove", id }), part("remove"));
    this.element = el(
      "li",
      {
        class: "object",
        click: (event) => event.target.closest("button, input") || select(id, event),
        pointerenter: (event) => event.pointerType !== "touch" && light(id),
        pointerleave: () => light(null),
      },
      this.swatch,
      el("div", { class: "object-about" }, this.name, this.className, this.share),
      ...[this.eye, this.up, this.down, this.edit, this.remove],
    );
  }

  show(object, { first, last, active }) {
    this.up.disabled = first;
    this.down.disabled = last;
    this.edit.disabled = active;
    this.element.classList.toggle("active", active);
    if (active) this.element.setAttribute("aria-current", "true");
    else this.element.removeAttribute("aria-current");
    const [name, colour] = [nameOf(object), `rgb(${rgbOf(object).join(" ")})`];
    if (object === this.object && name === this.shownName && colour === this.shownColour) return;
    Object.assign(this, { object, shownName: name, shownColour: colour });
    this.swatch.style.backgroundColor = colour;
    this.swatch.disabled = this.name.hidden = classes.inUse;
    this.className.hidden = !classes.inUse;
    this.className.textContent = classes.of(object)?.name ?? S.withoutClass;
    label(this.swatch, S.colourOf(name));
    if (document.activeElement !== this.name) this.name.value = object.name;
    label(this.eye, object.visible ? S.hide(name) : S.show(name));
    setIcon(this.eye, object.visible ? "eye" : "hidden");
    this.eye.setAttribute("aria-pressed", String(!object.visible));
    label(this.up, S.moveUp(name));
    label(this.down, S.moveDown(name));
    label(this.edit, S.reopen(name));
    label(this.remove, S.remove(name));
    this.element.classList.toggle("hidden-object", !object.visible);
  }

  showMask(mask) {
    if (mask === this.mask) return;
    this.mask = mask;
    this.share.textContent = mask ? S.share(mask.bitmap.area / (mask.bitmap.width * mask.bitmap.height)) : "\u00a0";
  }

  mark(selected, lit) {
    this.element.classList.toggle("selected", selected);
    this.element.classList.toggle("lit", lit);
  }
}

function label(element, text) {
  element.setAttribute("aria-label", text);
  element.title = text;
}
