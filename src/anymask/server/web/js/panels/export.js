/** Export: files of the objects, and the commands that make the same masks without the browser. */

import { say, sayFailure } from "../ui/live_region.js";
import { toRle } from "../core/bitmap.js";
import { byId, el } from "../ui/dom.js";
import { nameOf } from "../core/labels.js";
import { asPython, asShell, fileName, promptLog, stepsOf } from "../core/snippets.js";
import { copy, download } from "../net/download.js";
import { S } from "../core/strings.js";
import { tint } from "../canvas/tint.js";

export class ExportPanel {
  /** @type {string | null} The format that the user selected; none at first. */
  #format = null;

  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.model = { model: "mobile-sam" };
    byId("export").onclick = () => this.#save().catch(sayFailure);
    byId("copy-python").onclick = () => this.#copy("python", asPython);
    byId("copy-shell").onclick = () => this.#copy("shell", asShell);
    byId("export-format").onchange = (event) => (this.#format = event.target.value);
    this.#list([]);
  }

  /** Load from the server which model runs there, and which formats it writes. */
  async load() {
    const { model, engine, precision, formats } = await this.app.api.models();
    this.model = { model, engine, precision };
    this.#list(formats);
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

  /** The objects to export: those that are visible and have a mask. */
  get #objects() {
    return this.app.state.objects.filter((object) => object.visible && (object.steps.length || object.edits.length));
  }

  async #save() {
    const { app } = this;
    const objects = this.#objects;
    if (!objects.length) return say(S.nothingToExport);
    const format = byId("export-format").value;
    const stem = fileName(app.image.name.replace(/\.[^.]+$/, ""));
    if (format === "prompts") {
      const text = JSON.stringify(promptLog(app.image, this.model, objects), null, 1);
      return this.#download(new Blob([text], { type: "application/json" }), `${stem}-prompts.json`);
    }
    if (format === "cutout") return this.#download(await this.#cutout(objects), `${stem}-cutout.png`);
    const masks = await Promise.all(
      objects.map(async (object) => {
        const mask = await app.masks.fetch(object);
        return {
          rle: toRle(mask.bitmap),
          label: nameOf(object),
          ...(mask.score === null ? {} : { score: mask.score }),
        };
      }),
    );
    const { blob, name } = await this.#fileFromServer(format, masks, objects.map(stepsOf));
    this.#download(blob, name ?? `${stem}-${format}`);
  }

  async #fileFromServer(format, masks, steps) {
    const { api, image } = this.app;
    return this.#withImageThere(() => api.export(image.id, format, masks, image.name, steps));
  }

  /** The objects alone, everything else transparent: pixels as they are, edges not softened. */
  async #cutout(objects) {
    const { app } = this;
    const { id, width, height } = app.image;
    const masks = await Promise.all(objects.map((object) => app.masks.fetch(object)));
    const file = await this.#withImageThere(() => app.api.imageFile(id, "png"));
    const pixels = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    for (const { bitmap } of masks) {
      if (bitmap.columns) context.drawImage(tint(bitmap, [0, 0, 0], 1), bitmap.x, bitmap.y);
    }
    context.globalCompositeOperation = "source-in";
    context.drawImage(pixels, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  /** Send a request; if the server no longer has the image, send the image and then the request again. */
  async #withImageThere(request) {
    try {
      return await request();
    } catch (error) {
      if (await this.app.sendAgain(error)) return request();
      throw error;
    }
  }

  #download(blob, name) {
    download(blob, name);
    say(S.saved(name));
  }

  async #copy(kind, write) {
    const objects = this.#objects;
    if (!objects.length) return say(S.nothingToExport);
    const text = write(this.app.image, this.model, objects);
    if (await copy(text)) say(S.copied[kind]);
    else say(S.copyFailed);
  }
}
