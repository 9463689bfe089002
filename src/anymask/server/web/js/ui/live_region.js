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

function show(text, bad) {
  const line = byId("status");
  line.classList.toggle("bad", bad);
  // A screen reader speaks a change only, also when the same is said twice.
  line.textContent = line.textContent === text ? `${text}\u00a0` : text;
  line.title = text;
}
