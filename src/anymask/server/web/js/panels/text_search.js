/** Finding objects by words: a detector's boxes become objects of that name. */

import { say, sayFailure } from "../ui/live_region.js";
import { byId } from "../ui/dom.js";
import { S } from "../core/strings.js";

/** @param {import("../app.js").App} app @param {import("../everything.js").Everything} everything */
export function findWords(app, everything) {
  byId("words").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = byId("words-text").value.trim();
    if (!text || !app.image) return;
    const button = byId("words-find");
    button.disabled = true;
    say(S.searching(text));
    try {
      const { id } = app.image;
      const found = await detect(app, id, text);
      if (app.image.id !== id) return;
      everything.leave();
      if (found.length) app.act({ type: "add", objects: found.map(objectOf) });
      say(S.detections(found.length, text));
    } catch (error) {
      sayFailure(error);
    } finally {
      button.disabled = false;
    }
  });
}

async function detect(app, id, text) {
  try {
    return (await app.api.detect(id, text)).detections;
  } catch (error) {
    if (await app.sendAgain(error)) return (await app.api.detect(id, text)).detections;
    throw error;
  }
}

function objectOf({ box, label }) {
  return { name: label, steps: [{ kind: "box", box: box.map(Math.round), candidate: null }] };
}
