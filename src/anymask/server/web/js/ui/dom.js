/** Making and finding elements. Texts come in through textContent and attributes only, never as HTML. */

import { icon } from "./icons.js";
import { S } from "../core/strings.js";

/** The element of this id. @returns {any} */
export const byId = (id) => document.getElementById(id);

/** Make an element: properties that are functions become listeners, `data`, `aria-…` and the like attributes. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "class") element.className = value;
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button with an icon; its label is the accessible name and the tooltip. */
export function iconButton(name, label, click, properties = {}) {
  const about = { type: "button", class: "button icon-only", "aria-label": label, title: label, click, ...properties };
  return el("button", about, icon(name));
}

/** Show another icon on a button. */
export function setIcon(button, name) {
  if (button.dataset.shown === name) return;
  button.dataset.shown = name;
  button.querySelector(".icon").replaceWith(icon(name));
}

/** Make these elements the children of another, moving only those that are not in their place. */
export function arrange(parent, elements) {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  elements.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
}

/** Fill in the texts of the page: the HTML holds keys only. */
export function fillTexts(root = document) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = S[element.dataset.text];
  for (const element of root.querySelectorAll("[data-placeholder]"))
    element.placeholder = S[element.dataset.placeholder];
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", S[element.dataset.label]);
    if (element.tagName === "BUTTON") element.title = S[element.dataset.label];
  }
  for (const element of root.querySelectorAll("[data-icon]")) element.prepend(icon(element.dataset.icon));
}
