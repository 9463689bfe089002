/** Export: files of the objects, and the commands that make the same masks without the browser. */

import { say, sayFailure } from "../ui/live_region.js";
import { toRle } from "../core/bitmap.js";
import { byId, el } from "../ui/dom.js";
import { nameOf } from "../core/labels.js";
import { asPython, asShell, fileName, promptLog } from "../core/snippets.js";
import { copy, download } from "../net/download.js";
import { S } from "../core/strings.js";
import { tint } from "../canvas/tint.js";

const OURS = ["png", "cutout", "coco", "labelme", "yolo", "sa1b", "masks-json"];

export class Takeaway {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.model = { model: "mobile-sam" };
    byId("export").onclick = () => this.#save().catch(sayFailure);
    byId("copy-python").onclick = () => this.#copy("python", asPython);
    byId("copy-shell").onclick = () => this.#copy("shell", asShell);
    this.#list(OURS);
  }

  /** Learn what runs on the server, and what it can write. */
  async learn() {
    const about = await this.app.api.models();
    const { model, engine, precision } = about.serving ?? about;
    this.model = { model, engine, precision };
    if (about.formats) this.#list([...about.formats.map((each) => each.name ?? each), "cutout"]);
  }

  #list(formats) {
    const known = Object.keys(S.formats).filter((name) => formats.includes(name) || name === "prompts");
    const others = formats.filter((name) => !S.formats[name]);
    const select = byId("export-format");
    const chosen = select.value;
    select.replaceChildren(
      ...[...known, ...others].map((name) => el("option", { value: name }, S.formats[name] ?? name)),
    );
    if (formats.includes(chosen)) select.value = chosen;
  }

  /** The objects to give away: those in sight that have a mask. */
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
      return this.#give(new Blob([text], { type: "application/json" }), `${stem}-prompts.json`);
    }
    if (format === "cutout") return this.#give(await this.#cutout(objects), `${stem}-cutout.png`);
    const masks = await Promise.all(
      objects.map(async (object) => {
        const answer = await app.answers.of(object);
        return {
          rle: toRle(answer.bitmap),
          label: nameOf(object),
          ...(answer.score === null ? {} : { score: answer.score }),
        };
      }),
    );
    const { blob, name } = await this.#written(format, masks);
    this.#give(blob, name ?? `${stem}-${format}`);
  }

  async #written(format, masks) {
    const { api, image } = this.app;
    return this.#patiently(() => api.export(image.id, format, masks, image.name));
  }

  /** The objects alone, everything else transparent: pixels as they are, edges not softened. */
  async #cutout(objects) {
    const { app } = this;
    const { id, width, height } = app.image;
    const answers = await Promise.all(objects.map((object) => app.answers.of(object)));
    const file = await this.#patiently(() => app.api.imageFile(id, "png"));
    const pixels = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    for (const { bitmap } of answers) {
      if (bitmap.columns) context.drawImage(tint(bitmap, [0, 0, 0], 1), bitmap.x, bitmap.y);
    }
    context.globalCompositeOperation = "source-in";
    context.drawImage(pixels, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  /** Ask the server, which may have to be sent the image again. */
  async #patiently(ask) {
    try {
      return await ask();
    } catch (error) {
      if (await this.app.sendAgain(error)) return ask();
      throw error;
    }
  }

  #give(blob, name) {
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
