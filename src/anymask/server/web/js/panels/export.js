/** Saving: files of the objects, cut-outs, and the commands that make the same masks without the browser. */

import { hideError, showError } from "../ui/live_region.js";
import { toRle } from "../core/bitmap.js";
import { byId, el } from "../ui/dom.js";
import { nameOf } from "../core/labels.js";
import { asPython, asShell, fileName, promptLog, stepsOf } from "../core/snippets.js";
import { copy, copyImage, download } from "../net/download.js";
import { S } from "../core/strings.js";

const BACKGROUNDS = { none: null, white: [255, 255, 255], black: [0, 0, 0], blur: "blur" };

export class ExportPanel {
  /** @type {string | null} The format that the user selected; none at first. */
  #format = null;

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.model = { model: "mobile-sam" };
    byId("export").onclick = () => this.#try(() => this.#save());
    byId("copy-python").onclick = () => this.#try(() => this.#copy("python", asPython));
    byId("copy-shell").onclick = () => this.#try(() => this.#copy("shell", asShell));
    byId("copy-png").onclick = () => this.#try(() => this.#copyPng());
    byId("save-close").onclick = () => byId("save-dialog").close();
    byId("export-format").onchange = (event) => {
      this.#format = event.target.value;
      this.#show();
    };
    const options = (texts) => Object.entries(texts).map(([value, text]) => el("option", { value }, text));
    byId("cutout-edges").append(...options(S.edgesOf));
    byId("cutout-background").append(...options(S.backgroundOf));
    this.#list([]);
  }

  /** Load from the server which model runs there, and which formats it writes. */
  async load() {
    const { model, engine, precision, formats } = await this.app.api.models();
    this.model = { model, engine, precision };
    this.#list(formats);
    return formats;
  }

  /** Open the window for saving. */
  open() {
    if (!this.app.image) return;
    hideError("save-error");
    byId("save-done").textContent = "";
    this.#show();
    byId("save-dialog").showModal();
  }

  /**
   * List the formats of the server, then those that the browser writes itself.
   * @param {{name: string, title: string}[]} formats
   */
  #list(formats) {
    const own = Object.entries(S.browserFormats).map(([name, title]) => ({ name, title }));
    const select = byId("export-format");
    select.replaceChildren(...[...formats, ...own].map(({ name, title }) => el("option", { value: name }, title)));
    if (this.#format) select.value = this.#format;
  }

  #show() {
    byId("cutout-options").hidden = byId("export-format").value !== "cutout";
  }

  async #try(act) {
    hideError("save-error");
    byId("save-done").textContent = "";
    try {
      byId("save-done").textContent = await act();
    } catch (error) {
      showError("save-error", error);
    }
  }

  /** The objects to export: those that are visible and have a mask. */
  get #objects() {
    const objects = this.app.state.objects.filter((object) => object.visible && (object.steps.length || object.edits.length));
    if (!objects.length) throw Object.assign(new Error(S.nothingToExport), { expected: true });
    return objects;
  }

  async #save() {
    const { app } = this;
    const objects = this.#objects;
    const format = byId("export-format").value;
    const stem = fileName(app.image.name.replace(/\.[^.]+$/, ""));
    if (format === "prompts") {
      const text = JSON.stringify(promptLog(app.image, this.model, objects), null, 1);
      return this.#download(new Blob([text], { type: "application/json" }), `${stem}-prompts.json`);
    }
    if (format === "cutout") return this.#download(await this.#cutout(objects), `${stem}-cutout.png`);
    const { api, image } = app;
    const masks = await this.#masks(objects);
    const { blob, name } = await app.withImage(() => api.export(image.id, format, masks, image.name, objects.map(stepsOf)));
    return this.#download(blob, `${stem}-${format}${/\.[^.]+$/.exec(name ?? "")?.[0] ?? ""}`);
  }

  #masks(objects) {
    return Promise.all(
      objects.map(async (object) => {
        const mask = await this.app.masks.fetch(object);
        const score = mask.score === null ? {} : { score: mask.score };
        return { rle: toRle(mask.bitmap), label: nameOf(object), ...score };
      }),
    );
  }

  /** The objects alone, with the options of the window. @returns {Promise<Blob>} */
  async #cutout(objects) {
    const { app } = this;
    const masks = await this.#masks(objects);
    const options = {
      edges: byId("cutout-edges").value,
      crop: byId("cutout-crop").checked,
      background: BACKGROUNDS[byId("cutout-background").value],
    };
    return app.withImage(() => app.api.cutout(app.image.id, masks, options));
  }

  async #copyPng() {
    await copyImage(this.#cutout(this.#objects));
    return S.pngCopied;
  }

  #download(blob, name) {
    download(blob, name);
    return S.saved(name);
  }

  async #copy(kind, write) {
    const text = write(this.app.image, this.model, this.#objects);
    return (await copy(text)) ? S.copied[kind] : S.copyFailed;
  }
}
