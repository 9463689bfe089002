/** The application: the image, the history of actions, and the masks that follow; no elements of the page. */

import { say, sayFailure } from "./ui/live_region.js";
import { LocalSource } from "./local_source.js";
import { MaskCache, promptOf } from "./mask_cache.js";
import { hasPick } from "./core/alternatives.js";
import { factsOf, nameOf } from "./core/labels.js";
import { activeObject, canSplit, reduce, start } from "./core/state.js";
import { currentImage, loadImage, loadSession, saveImage } from "./net/storage.js";
import { iou } from "./core/bitmap.js";
import { S } from "./core/strings.js";

const SAME = 0.9; // IoU from which two masks are of one object
const EXACT = 4e6; // pixels up to which the image is shown without compression

export class App {
  /**
   * @param {import("./net/api.js").Api} api
   * @param {object} page shows what changes: changed(), image(image), progress(text, share), preview(image),
   *   locked(text | null) whether somebody else works on the image, failed(object, error) of making its mask, and
   *   paint(), whose promise resolves when the preview is on the screen
   * @param {import("./canvas/zoom_window.js").ZoomWindow} zoomWindow
   */
  constructor(api, page, zoomWindow) {
    this.api = api;
    this.page = page;
    this.zoomWindow = zoomWindow;
    this.image = null;
    this.history = start();
    this.masks = null;
    this.busy = 0;
    this.opening = 0;
    this.saving = null;
    this.unsaved = false;
    this.source = null; // where the image and its objects come from: save(app), resend(), writable, begin
  }

  get state() {
    return this.history.present;
  }

  get active() {
    return activeObject(this.state);
  }

  /** Read, send and encode an image. Its objects are there if it was open before. @param {File} file */
  async open(file, history = null) {
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
      const restored = history ?? (await loadSession(about.id))?.history;
      await this.#setImage({ ...about, name: file.name }, this.#local(about.id, file), restored ?? start(), turn);
      if (this.state.objects.length) say(S.restored(this.state.objects.length));
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
    const id = currentImage();
    return id !== null && this.reopen(id);
  }

  /** Open an image of an earlier session with its objects. @returns {Promise<boolean>} */
  async reopen(id) {
    const session = await loadSession(id);
    if (!session) return false;
    const turn = ++this.opening;
    try {
      this.page.progress(S.reading(session.name), null);
      const about = await this.api.image(id);
      const file = await loadImage(id);
      await this.#setImage({ ...about, name: session.name }, this.#local(id, file), session.history, turn);
    } catch (error) {
      const file = error.lostImage ? await loadImage(id) : null;
      if (file) return this.open(file, session.history);
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
    if (this.source && !this.source.writable) {
      say(S.locked);
      this.page.changed();
      return false;
    }
    this.history = reduce(before, { begin: this.source?.begin, ...action });
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
      if (masks === this.masks) this.page.failed(object, error);
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
    if (action.ids?.length > 1 && action.type === "remove") return say(S.message.removedMany(action.ids.length));
    const object = before.objects.find((each) => each.id === (action.ids?.[0] ?? action.id ?? before.active));
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

  /** Show an image of a project. @param {import("./project/session.js").ProjectSession} source @returns {Promise<boolean>} */
  async show(source, history) {
    const turn = ++this.opening;
    try {
      this.page.progress(S.reading(source.image.name), null);
      await this.#setImage(source.image, source, history, turn);
      return turn === this.opening;
    } catch (error) {
      if (turn === this.opening) {
        this.page.progress(null);
        throw error;
      }
      return false;
    }
  }

  /** Take over another history of the open image. */
  replace(history) {
    this.history = history;
    this.source.seed?.(this.masks);
    this.refresh();
  }

  /** Wait until all is saved. */
  async flush() {
    while (this.saving) await this.saving;
  }

  #local(id, file) {
    return new LocalSource(this.api, id, file, {
      locked: (text) => this.page.locked(text),
      replaced: (source, history) => source === this.source && !this.saving && this.replace(history),
    });
  }

  async #setImage(image, source, history, turn) {
    this.page.progress(S.encoding, null);
    const ready = this.api.ready(image.id);
    const exact = image.width * image.height <= EXACT;
    const pixels = await createImageBitmap(await this.api.imageFile(image.id, exact ? "png" : "jpeg"));
    await this.flush();
    if (turn !== this.opening) return source.close();
    const before = this.image?.pixels;
    this.image = { ...image, pixels };
    if (this.source !== source) this.source?.close();
    this.source = source;
    this.history = history;
    const server = {
      segment: (prompt, options) => this.#segment(image.id, prompt, options),
      alternatives: (...clicks) => this.withImage(() => this.api.alternatives(image.id, ...clicks)),
      groups: (...clicks) => this.withImage(() => this.api.groups(image.id, ...clicks)),
    };
    this.masks = new MaskCache(this.image, server, () => this.state.objects);
    source.seed?.(this.masks);
    this.page.image(this.image);
    before?.close(); // its memory is free at once, not when the browser gets around to it
    source.announce();
    await ready;
    if (turn !== this.opening) return;
    this.page.progress(null);
    say(S.ready(image.name, image.width, image.height));
    if (source.hasUnsaved !== false) this.#save();
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

  /** Send a request; if the server no longer has the image, send the image and then the request again. */
  async withImage(send) {
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
    say(S.splitting);
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
    if (!error.lostImage || !this.source) return false;
    this.resending ??= this.source.resend().finally(() => (this.resending = null));
    return this.resending;
  }

  /**
   * Add objects, but none whose mask an object has already: one of the same name, or one of the two without a name.
   *
   * @param {{name?: string, steps: object[]}[]} objects
   * @returns {Promise<{added: number, duplicates: number}>}
   */
  async addNew(objects) {
    const { masks } = this;
    const present = await Promise.all(this.state.objects.map((object) => masks.fetch(object)));
    const masksOfNew = await Promise.all(objects.map((object) => masks.fetchSteps(object.steps)));
    if (masks !== this.masks) return { added: 0, duplicates: 0 };
    const all = this.state.objects.map(({ name }, index) => ({ name, bitmap: present[index]?.bitmap }));
    const fresh = objects.filter(({ name = "" }, index) => {
      const { bitmap } = masksOfNew[index];
      const isDuplicate = all.some(
        (other) => other.bitmap && (!name || !other.name || name === other.name) && iou(bitmap, other.bitmap) >= SAME,
      );
      if (!isDuplicate) all.push({ name, bitmap });
      return !isDuplicate;
    });
    if (fresh.length) this.act({ type: "add", objects: fresh });
    return { added: fresh.length, duplicates: objects.length - fresh.length };
  }

  /** Save, one write at a time; what changes meanwhile is written next. @returns {Promise<void>} when all is saved */
  #save() {
    this.unsaved = true;
    if (this.saving) this.source.saveLocally?.(this.history);
    this.saving ??= this.#saveAll().finally(() => (this.saving = null));
    return this.saving;
  }

  async #saveAll() {
    while (this.unsaved && this.image) {
      this.unsaved = false;
      await this.source.save(this).catch(sayFailure);
    }
  }
}
