/** Assist: everything, words, or a check over the project as a job; what it finds comes as suggestions. */

import { hideError, showError } from "../ui/live_region.js";
import { byId, el } from "../ui/dom.js";
import { S } from "../core/strings.js";

export class AssistDialog {
  /** @param {import("../project/project.js").Project} project */
  constructor(project) {
    this.project = project;
    this.jobs = new Map(); // by id
    this.dialog = byId("assist-dialog");
    byId("assist-close").onclick = () => this.dialog.close();
    byId("assist-kind").append(...Object.entries(S.assistKinds).map(([value, text]) => el("option", { value }, text)));
    byId("assist-kind").onchange = () => this.#showFields();
    byId("assist-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#start();
    });
  }

  open() {
    hideError("assist-error");
    for (const job of this.project.about.jobs) if (!this.jobs.has(job.id)) this.jobs.set(job.id, job);
    this.#showFields();
    this.#show();
    this.dialog.showModal();
  }

  /** A job went on. */
  update(job) {
    this.jobs.set(job.id, job);
    this.#show();
    const running = [...this.jobs.values()].find((each) => ["running", "waiting"].includes(each.state));
    byId("assist-progress").textContent = running ? S.jobShort(running) : "";
  }

  #showFields() {
    const kind = byId("assist-kind").value;
    byId("assist-words-field").hidden = kind !== "text";
    byId("assist-hint").textContent = S.assistHints[kind];
  }

  async #start() {
    hideError("assist-error");
    const kind = byId("assist-kind").value;
    const words = byId("assist-words").value.split(",").map((word) => word.trim()).filter(Boolean);
    try {
      const body = { kind, images: byId("assist-images").value, ...(kind === "text" ? { words } : {}) };
      this.update(await this.project.api.assist(this.project.id, body));
    } catch (error) {
      showError("assist-error", error);
    }
  }

  #show() {
    const { api, id } = this.project;
    const act = (send) => () => send().catch((error) => showError("assist-error", error));
    byId("assist-jobs").replaceChildren(
      ...[...this.jobs.values()].reverse().map((job) => {
        const running = ["running", "waiting"].includes(job.state);
        const text = el("span", { class: "job-text" }, S.job(job));
        const bar = el("progress", { max: job.total || 1, value: job.done, "aria-label": S.job(job) });
        const button = running
          ? el("button", { type: "button", class: "button", click: act(() => api.cancelAssist(id, job.id)) }, S.stop)
          : el("button", { type: "button", class: "button", click: act(() => api.dropSuggestions(id, job.id)) }, S.dropAll);
        return el("li", { class: "job" }, text, bar, button);
      }),
    );
  }
}
