/** Save dataset: one format for the whole project, with or without its images, split or not. */

import { hideError, showError } from "../ui/live_region.js";
import { byId, el } from "../ui/dom.js";
import { download } from "../net/download.js";
import { S } from "../core/strings.js";

const LOOK = 400; // milliseconds between looks at the progress

export class DatasetDialog {
  /** @param {import("../project/project.js").Project} project */
  constructor(project) {
    this.project = project;
    this.dialog = byId("dataset-dialog");
    byId("dataset-save").onclick = () => this.#save();
    byId("dataset-close").onclick = () => this.dialog.close();
    byId("dataset-split").oninput = () => this.#showSplit();
  }

  /** @param {{name: string, title: string}[]} formats */
  list(formats) {
    byId("dataset-format").replaceChildren(...formats.map(({ name, title }) => el("option", { value: name }, title)));
    if (formats.some(({ name }) => name === "coco")) byId("dataset-format").value = "coco";
  }

  open() {
    hideError("dataset-error");
    byId("dataset-done").textContent = "";
    const { done } = this.project.about.counts;
    byId("dataset-only").value = done ? "done" : "all";
    this.#showSplit();
    this.dialog.showModal();
  }

  #showSplit() {
    byId("dataset-split-text").textContent = S.splitShares(Number(byId("dataset-split").value));
  }

  async #save() {
    const { api, id } = this.project;
    const button = byId("dataset-save");
    const bar = byId("dataset-bar");
    hideError("dataset-error");
    byId("dataset-done").textContent = "";
    button.disabled = true;
    bar.hidden = false;
    bar.removeAttribute("value");
    try {
      const train = Number(byId("dataset-split").value) / 100;
      let state = await api.export(id, {
        format: byId("dataset-format").value,
        only: byId("dataset-only").value,
        images: byId("dataset-images").checked ? "copy" : "none",
        split: train < 1 ? [train, Math.round((1 - train) * 100) / 100] : null,
      });
      while (state.state === "running") {
        await new Promise((resolve) => setTimeout(resolve, LOOK));
        state = await api.exportState(id, state.export);
        if (state.total) bar.value = state.done / state.total;
      }
      if (state.state === "failed") throw Object.assign(new Error(state.problem), { expected: true });
      download(await api.exportFile(id, state.export), state.file);
      const left = state.left_out?.length ? ` ${S.leftOut(state.left_out)}` : "";
      byId("dataset-done").textContent = S.saved(state.file) + left;
    } catch (error) {
      showError("dataset-error", error);
    } finally {
      button.disabled = false;
      bar.hidden = true;
    }
  }
}
