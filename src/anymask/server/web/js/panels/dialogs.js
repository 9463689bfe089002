/** The dialogs: help, and the server's token. */

import { byId, el } from "../ui/dom.js";
import { S } from "../core/strings.js";

/** Show what every key and gesture does. */
export function showHelp() {
  const dialog = byId("help-dialog");
  const list = el("dl");
  for (const [keys, meaning] of S.keys) {
    list.append(el("dt", {}, ...keysOf(keys)), el("dd", {}, meaning));
  }
  dialog.replaceChildren(
    el("h2", { id: "help-title" }, S.helpTitle),
    list,
    el("button", { type: "button", class: "button primary", click: () => dialog.close() }, S.done),
  );
  dialog.showModal();
}

function keysOf(text) {
  return text.split(/( · )/).map((part) => (part === " · " ? part : el("kbd", {}, part)));
}

/** Ask for the server's token. @param {boolean} wrong whether one was tried @returns {Promise<string>} */
export function askForToken(wrong) {
  const dialog = byId("token-dialog");
  return new Promise((resolve, reject) => {
    const field = el("input", {
      class: "field",
      id: "token",
      type: "password",
      autocomplete: "current-password",
      required: true,
      "aria-label": S.token,
    });
    const form = el(
      "form",
      {
        submit: (event) => {
          event.preventDefault();
          dialog.oncancel = null;
          dialog.close();
          resolve(field.value.trim());
        },
      },
      el("h2", { id: "token-title" }, S.tokenTitle),
      el("p", { role: wrong ? "alert" : null }, wrong ? S.tokenWrong : S.tokenText),
      el("div", { class: "row" }, field, el("button", { type: "submit", class: "button primary" }, S.tokenGo)),
    );
    dialog.replaceChildren(form);
    dialog.oncancel = () => reject(Object.assign(new Error(S.tokenTitle), { expected: true }));
    dialog.showModal();
  });
}
