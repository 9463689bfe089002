/** The line below the image, which screen readers speak too. */

import { byId } from "./dom.js";
import { S } from "../core/strings.js";

/** Say one line. */
export function say(text) {
  show(text, false);
}

/** Say what went wrong. @param {Error} error */
export function sayFailure(error) {
  if (error.name === "AbortError") return;
  show(error.expected ? error.message : S.failed(error.message), true);
  if (!error.expected) console.error(error);
}

/** Say what went wrong beside what caused it. @param {string} id of the element for it @param {Error} error */
export function showError(id, error) {
  if (error.name === "AbortError") return;
  if (!error.expected) console.error(error);
  const line = byId(id);
  line.hidden = false;
  line.textContent = error.expected ? error.message : S.failed(error.message);
}

export function hideError(id) {
  byId(id).hidden = true;
}

function show(text, bad) {
  const line = byId("status");
  line.classList.toggle("bad", bad);
  // A screen reader speaks a change only, also when the same is said twice.
  line.textContent = line.textContent === text ? `${text}\u00a0` : text;
  line.title = text;
}
