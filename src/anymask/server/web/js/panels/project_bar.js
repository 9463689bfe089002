/** What a project shows around the stage: progress, next and previous, Done and Skip, whether all is saved, who else is here. */

import { byId } from "../ui/dom.js";
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
    const files = about.skipped?.count ? S.filesSkipped(about.skipped.count, about.skipped.files) : "";
    byId("project-note").textContent = files;
    byId("project-note").hidden = !files;
    document.title = `${about.name} – anymask`;
  }

  counts({ done }, images) {
    byId("project-progress").textContent = S.projectProgress(done, images);
  }

  state(text) {
    byId("saved").textContent = S.savedStates[text];
    byId("saved").classList.toggle("bad", text === "offline");
  }

}
