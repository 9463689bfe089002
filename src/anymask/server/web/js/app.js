/** The application: the image, the history of actions, and the masks that follow; no elements of the page. */

import { say, sayFailure } from "./ui/live_region.js";
import { MaskCache, promptOf } from "./mask_cache.js";
import { hasPick } from "./core/alternatives.js";
import { factsOf, nameOf } from "./core/labels.js";
import { activeObject, canSplit, reduce, start } from "./core/state.js";
import { loadImage, loadSession, saveImage, saveSession } from "./net/storage.js";
import { S } from "./core/strings.js";

const EXACT = 4e6; // pixels up to which the image is shown without compression

export class App {
  /**
   * @param {import("./net/api.js").Api} api
   * @param {object} page shows what changes: changed(), image(image), progress(text, share), preview(image), and
   *   paint(), whose promise resolves when the preview is on the screen
   * @param {import("./canvas/zoom_window.js").ZoomWindow} zoomWindow
   */
  constructor(api, page, zoomWindow) {
    this.api = api;
    this.page = page;
    this.zoomWindow = zoomWindow;
    this.image = null;
    this.file = null;
    this.history = start();
    this.masks = null;
    this.busy = 0;
    this.opening = 0;
  }

  get state() {
    return this.history.present;
  }

  get active() {
    return activeObject(this.state);
  }

  /** Read, send and encode an image; objects of the image before are dropped. @param {File} file */
  async open(file, history = start()) {
    const turn = ++this.opening;
    try {
      this.page.progress(S.reading(file.name), null);
      const preview = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
      if (turn !== this.opening) return false;
      if (preview)
        this.page.preview({ pixels: preview, width: preview.width, height: preview.height, name: file.name });
      const about = await this.api.upload(
        file,
        (share) => turn === this.opening && this.page.progress(S.sending(share), share),
      );
      if (turn !== this.opening) return false;
      await saveImage(about.id, file).catch(() => say(S.storageFull));
      await this.#setImage({ ...about, name: file.name }, file, history, turn);
      return true;
    } catch (error) {
      if (turn === this.opening) {
        this.page.progress(null);
        this.page.image(this.image);
        sayFailure(error);
      }
      return false;
    }
  }

  /** Bring back what was here before the page was left. @returns {Promise<boolean>} */
  async restore() {
    const session = loadSession();
    if (!session?.image) return false;
    const { image, history } = session;
    const turn = ++this.opening;
    try {
      this.page.progress(S.reading(image.name), null);
      const about = await this.api.image(image.id);
      const file = await loadImage(image.id);
      await this.#setImage({ ...about, name: image.name }, file, history, turn);
    } catch (error) {
      const file = error.lostImage ? await loadImage(image.id) : null;
      if (file) return this.open(file, history);
      this.page.progress(null);
      if (!error.lostImage) sayFailure(error);
      return false;
    }
    if (this.state.objects.length) say(S.restored(this.state.objects.length));
    return true;
  }

  /** Do something that can be undone. */
  act(action) {
    const before = this.history;
    this.history = reduce(before, action);
    if (this.history === before) return false;
    this.#announceAction(action, before.present);
    this.#save();
    this.refresh();
    return true;
  }

  /** Request the masks that are not in the cache, and show the others. */
  refresh() {
    this.page.changed();
    if (!this.image) return;
    for (const object of this.state.objects) {
      if (!this.masks.get(object)) this.#fetch(object);
      else if (object.id === this.state.active) this.#announceMask(object);
    }
  }

  async #fetch(object) {
    const { masks } = this;
    this.busy++;
    try {
      // The preview is one run of the decoder and is drawn at once; the mask may take several, and the encoder.
      const last = object.steps[object.steps.length - 1];
      if (object === this.active && ["point", "box"].includes(last?.kind) && !hasPick(last)) {
        await masks.fetchPreview(object.steps).catch(() => null);
        if (masks !== this.masks) return;
        await this.page.paint(); // the full request would take the processor from drawing
      }
      await masks.fetch(object);
      if (masks !== this.masks) return;
      this.page.changed();
      if (this.active === object) this.#announceMask(object);
    } catch (error) {
      if (masks === this.masks) sayFailure(error);
    } finally {
      this.busy--;
    }
  }

  /** Announce the mask of the active object, once. */
  #announceMask(object) {
    const mask = this.masks.get(object);
    if (!mask || !(object.steps.length || object.edits.length)) return;
    const key = JSON.stringify([object.id, object.steps, object.edits]);
    if (key === this.announcedKey) return;
    this.announcedKey = key;
    say(S.message.selected(nameOf(object), factsOf(mask)) + (mask.follows_prompt === false ? S.message.broken : ""));
  }

  #announceAction(action, before) {
    const object = before.objects.find((each) => each.id === (action.id ?? before.active));
    const line = {
      undo: () => S.message.undone,
      redo: () => S.message.redone,
      accept: () => S.message.accepted(nameOf(object)),
      clear: () => S.message.cleared,
      open: () => S.message.reopened(nameOf(object)),
      remove: () => S.message.removed(nameOf(object)),
    }[action.type];
    this.announcedKey = null;
    if (line) say(line());
  }

  async #setImage(image, file, history, turn) {
    this.page.progress(S.encoding, null);
    const ready = this.api.ready(image.id);
    const exact = image.width * image.height <= EXACT;
    const pixels = await createImageBitmap(await this.api.imageFile(image.id, exact ? "png" : "jpeg"));
    if (turn !== this.opening) return;
    this.image = { ...image, pixels };
    this.file = file;
    this.history = history;
    const server = {
      segment: (prompt, options) => this.#segment(image.id, prompt, options),
      alternatives: (...clicks) => this.#withResend(() => this.api.alternatives(image.id, ...clicks)),
      groups: (...clicks) => this.#withResend(() => this.api.groups(image.id, ...clicks)),
    };
    this.masks = new MaskCache(this.image, server, () => this.state.objects);
    this.page.image(this.image);
    await ready;
    if (turn !== this.opening) return;
    this.page.progress(null);
    say(S.ready(image.name, image.width, image.height));
    this.#save();
    this.refresh();
  }

  /** Segment; if the server has forgotten the image, send it again first: its id is the same. */
  async #segment(id, prompt, options) {
    try {
      return await this.api.segment(id, prompt, options);
    } catch (error) {
      if (options.store === false || options.preview || !(await this.sendAgain(error))) throw error;
      if (!prompt.logits) return this.api.segment(id, prompt, options);
      throw Object.assign(new Error(error.message), { expected: true, lostLogits: true });
    }
  }

  async #withResend(send) {
    try {
      return await send();
    } catch (error) {
      if (await this.sendAgain(error)) return send();
      throw error;
    }
  }

  /** Split the active object: one object for each group of clicks on the same thing. */
  async split() {
    const object = this.active;
    if (!object || !canSplit(object)) return say(S.message.nothingToSplit);
    const { points, labels } = promptOf(object.steps);
    try {
      const groups = await this.masks.groups({ points, labels });
      if (this.active !== object) return;
      if (groups.length < 2) return say(S.message.oneObject);
      const objects = groups.map((own, group) => ({
        steps: [{ kind: "group", points, labels, group, own: { points: own.points, labels: own.labels } }],
      }));
      this.act({ type: "split", objects });
      say(S.message.split(groups.length));
    } catch (error) {
      sayFailure(error);
    }
  }

  /** Send the image again if an error says that the server has forgotten it. @returns {Promise<boolean>} */
  async sendAgain(error) {
    if (!error.lostImage || !this.file) return false;
    this.resending ??= this.api.upload(this.file, () => {}).finally(() => (this.resending = null));
    await this.resending;
    return true;
  }

  #save() {
    if (this.image && !saveSession(this.image, this.history)) say(S.storageFull);
  }
}
