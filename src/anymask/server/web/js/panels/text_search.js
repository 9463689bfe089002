/** Finding objects by text: a detector's boxes become objects with its labels. */

import { say, sayFailure } from "../ui/live_region.js";
import { byId } from "../ui/dom.js";
import { S } from "../core/strings.js";

/** @param {import("../app.js").App} app @param {import("../everything.js").Everything} everything */
export function searchText(app, everything) {
  byId("text-search").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = byId("text-query").value.trim();
    if (!text || !app.image) return;
    const button = byId("text-find");
    button.disabled = true;
    say(S.searching(text));
    try {
      const { id } = app.image;
      const detections = await detect(app, id, text);
      if (app.image.id !== id) return;
      everything.leave();
      if (detections.length) app.act({ type: "add", objects: detections.map(objectOf) });
      say(S.detections(detections.length, text));
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
