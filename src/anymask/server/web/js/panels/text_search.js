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
      const { detections, failures } = await detectPhrases(app, id, text);
      if (app.image.id !== id) return;
      if (failures.length) showError("text-error", Object.assign(new Error(failures.join("\n")), { expected: true }));
      if (!detections.length && failures.length) return;
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

/** Find all phrases at once; where the detector does not know one of several, each by itself, so that the others count. */
async function detectPhrases(app, id, text) {
  try {
    return { detections: await detect(app, id, text), failures: [] };
  } catch (error) {
    const phrases = text.split(/[,;\n]/).map((phrase) => phrase.trim()).filter(Boolean);
    if (error.status !== 422) throw error;
    if (phrases.length < 2) return { detections: [], failures: [error.message] };
    const detections = [];
    const failures = [];
    for (const phrase of phrases) {
      await detect(app, id, phrase).then(
        (more) => detections.push(...more),
        (problem) => failures.push(problem.message),
      );
    }
    return { detections, failures };
  }
}

async function detect(app, id, text) {
  return (await app.withImage(() => app.api.detect(id, text))).detections;
}

function objectOf({ box, label }) {
  return { name: label, steps: [{ kind: "box", box: box.map(Math.round), candidate: null }] };
}
