/** Finding objects by text: a detector's boxes become objects with its labels. */

import { hideError, say, showError } from "../ui/live_region.js";
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
    hideError("text-error");
    say(S.searching(text));
    try {
      const { id } = app.image;
      const { detections, problem } = await detect(app, id, text);
      if (app.image.id !== id) return;
      if (problem) showError("text-error", Object.assign(new Error(problem), { expected: true }));
      everything.leave();
      const { added, duplicates } = await app.addNew(detections.map(objectOf));
      say(S.detections(added, text, duplicates));
    } catch (error) {
      showError("text-error", error);
    } finally {
      button.disabled = false;
    }
  });
  byId("text-query").addEventListener("input", () => hideError("text-error"));
}

/** Boxes of all phrases, and a line about those that the detector does not know. */
async function detect(app, id, text) {
  const { detections, unknown, notes } = await app.withImage(() => app.api.detect(id, text));
  return { detections, problem: unknown.length ? notes[0] : null };
}

function objectOf({ box, label }) {
  return { name: label, steps: [{ kind: "box", box: box.map(Math.round), candidate: null }] };
}
