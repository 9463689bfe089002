/** What a project shows around the stage: progress, next and previous, Done and Skip, whether all is saved, who else is here. */

import { byId, el } from "../ui/dom.js";
import { S } from "../core/strings.js";

export class ProjectBar {
  /** @param {import("../project/project.js").Project} project @param {object} open windows: assist(), review(), save() */
  constructor(project, open) {
    this.project = project;
    byId("next-image").onclick = () => project.step(1);
    byId("previous-image").onclick = () => project.step(-1);
    byId("image-done").onclick = () => project.finish("done");
    byId("image-skip").onclick = () => project.finish("skipped");
    byId("assist").onclick = open.assist;
    byId("review").onclick = open.review;
  }

  show() {
    const { about } = this.project;
    byId("app").classList.add("has-project");
    byId("project-bar").hidden = false;
    byId("project-name").textContent = about.name;
    this.counts(about.counts, about.images);
    this.#note(about);
    document.title = `${about.name} – anymask`;
  }

  counts({ done }, images) {
    byId("project-progress").textContent = S.projectProgress(done, images);
  }

  state(text) {
    byId("saved").textContent = S.savedStates[text];
    byId("saved").classList.toggle("bad", text === "offline");
  }

  /** What is not as one might expect: files left out, images that are gone, annotations that were not opened, boxes. */
  #note({ skipped, missing, import: imported }) {
    const left = imported?.left_out ?? [];
    const boxes = (imported?.files ?? []).reduce((sum, file) => sum + file.boxes, 0);
    const notes = [
      missing && { title: S.imagesMissing(missing), lines: [S.imagesMissingAdvice] },
      skipped?.count && { title: S.filesSkipped(skipped.count), lines: skipped.files.map(({ name, reason }) => `${name}: ${reason}`) },
      left.length && { title: S.annotationsLeft(left.length), lines: left },
      boxes && { title: S.boxesSuggested(boxes), lines: [S.boxesSuggestedAdvice] },
    ].filter(Boolean);
    byId("project-note").hidden = !notes.length;
    byId("project-note-title").textContent = notes.map(({ title }) => title).join(" · ");
    byId("project-note-lines").replaceChildren(...notes.flatMap(({ lines }) => lines).map((line) => el("li", {}, line)));
  }
}
