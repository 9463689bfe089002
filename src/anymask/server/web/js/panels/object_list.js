/** The list of objects: names, colours, order, visibility, and the way back to their prompts. */

import { el, iconButton } from "../ui/dom.js";
import { nameOf } from "../core/labels.js";
import { COLOURS, css } from "../core/palette.js";
import { S } from "../core/strings.js";

/**
 * Draw the list anew, keeping the focus where it is.
 *
 * @param {HTMLElement} list
 * @param {object} state see state.js
 * @param {(object: object) => object | null} maskOf the mask of an object, if it is in the cache
 * @param {(action: object) => void} act
 */
export function showObjects(list, state, maskOf, act) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.part : null;
  if (!state.objects.length) {
    list.replaceChildren(el("li", { class: "hint" }, S.objectsHint));
    return;
  }
  const rows = state.objects.map((object, index) => row(object, index, state, maskOf(object), act));
  list.replaceChildren(...rows);
  if (focused) list.querySelector(`[data-part="${focused}"]:not(:disabled)`)?.focus();
}

function row(object, index, state, mask, act) {
  const { id } = object;
  const name = nameOf(object);
  const part = (about) => ({ "data-part": `${about}-${id}` });
  const swatch = el("button", {
    type: "button",
    class: "swatch",
    "aria-label": S.colourOf(name),
    title: S.colourOf(name),
    ...part("colour"),
    click: () => act({ type: "recolour", id, colour: (object.colour + 1) % COLOURS.length }),
  });
  swatch.style.backgroundColor = css(object.colour);
  const field = el("input", {
    class: "object-name",
    value: object.name,
    placeholder: S.unnamed(id),
    maxLength: 80,
    "aria-label": S.nameOf(S.unnamed(id)),
    ...part("name"),
    change: (event) => act({ type: "rename", id, name: event.target.value.trim() }),
    keydown: (event) => event.key === "Enter" && event.target.blur(),
  });
  const share = mask ? mask.bitmap.area / (mask.bitmap.width * mask.bitmap.height) : null;
  const classes = ["object", id === state.active ? "active" : "", object.visible ? "" : "hidden-object"];
  return el(
    "li",
    { class: classes.filter(Boolean).join(" "), "aria-current": id === state.active ? "true" : null },
    swatch,
    el(
      "div",
      { class: "object-about" },
      field,
      el("span", { class: "object-share" }, share === null ? "\u00a0" : S.share(share)),
    ),
    iconButton(
      object.visible ? "eye" : "hidden",
      object.visible ? S.hide(name) : S.show(name),
      () => act({ type: "show", id, visible: !object.visible }),
      { ...part("show"), "aria-pressed": String(!object.visible) },
    ),
    iconButton("up", S.moveUp(name), () => act({ type: "move", id, by: -1 }), { ...part("up"), disabled: index === 0 }),
    iconButton("down", S.moveDown(name), () => act({ type: "move", id, by: 1 }), {
      ...part("down"),
      disabled: index === state.objects.length - 1,
    }),
    iconButton("edit", S.reopen(name), () => act({ type: "open", id }), {
      ...part("open"),
      disabled: id === state.active,
    }),
    iconButton("remove", S.remove(name), () => act({ type: "remove", id }), part("remove")),
  );
}
