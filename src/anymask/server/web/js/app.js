/** The application's heart: the image, what the person did, and the masks that follow; no elements of the page. */

import { say, sayFailure } from "./ui/live_region.js";
import { Answers, promptOf } from "./mask_cache.js";
import { factsOf, nameOf } from "./core/labels.js";
import { activeObject, canSplit, reduce, start } from "./core/state.js";
import { loadImage, loadSession, saveImage, saveSession } from "./net/storage.js";
import { S } from "./core/strings.js";

const EXACT = 4e6; // pixels up to which the image is shown without compression

export class App {
  /**
   * @param {import("./net/api.js").Api} api
   * @param {object} page shows what changes: changed(), image(image), progress(text, share), glimpse(image), and
   *   glimpsed(), whose promise resolves when the preview is on the screen
   * @param {import("./canvas/zoom_window.js").Closer} closer
   */
  constructor(api, page, closer) {
    this.api = api;
    this.page = page;
    this.closer = closer;
    this.image = null;
    this.file = null;
    this.history = start();
    this.answers = null;
    this.busy = 0;
    this.opening = 0;
  }

  get state() {
    return this.history.present;
  }

  get active() {
    return activeObject(this.state);
  }

  /** Read, send and encode an image; objects of the one before are put away. @param {File} file */
  async open(file, history = start()) {
    const turn = ++this.opening;
    try {
      this.page.progress(S.reading(file.name), null);
      const glimpse = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
      if (turn !== this.opening) return false;
      if (glimpse)
        this.page.glimpse({ pixels: glimpse, width: glimpse.width, height: glimpse.height, name: file.name });
      const about = await this.api.upload(
        file,
        (share) => turn === this.opening && this.page.progress(S.sending(share), share),
      );
      if (turn !== this.opening) return false;
      await saveImage(about.id, file).catch(() => say(S.storageFull));
      await this.#take({ ...about, name: file.name }, file, history, turn);
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
      await this.#take({ ...about, name: image.name }, file, history, turn);
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
    this.#announce(action, before.present);
    this.#save();
    this.refresh();
    return true;
  }

  /** Ask for what is not known yet, and show what is. */
  refresh() {
    this.page.changed();
    if (!this.image) return;
    for (const object of this.state.objects) {
      if (!this.answers.known(object)) this.#fetch(object);
      else if (object.id === this.state.active) this.#speak(object);
    }
  }

  async #fetch(object) {
    const { answers } = this;
    this.busy++;
    try {
      // What one look gives is drawn at once; the answer itself may take several, and the encoder.
      const last = object.steps[object.steps.length - 1];
      if (object === this.active && ["point", "box"].includes(last?.kind) && isOpen(last)) {
        await answers.glimpse(object.steps).catch(() => null);
        if (answers !== this.answers) return;
        await this.page.glimpsed(); // the full question would take the processor from drawing
      }
      await answers.of(object);
      if (answers !== this.answers) return;
      this.page.changed();
      if (this.active === object) this.#speak(object);
    } catch (error) {
      if (answers === this.answers) sayFailure(error);
    } finally {
      this.busy--;
    }
  }

  /** Say what is selected now. */
  #speak(object) {
    const answer = this.answers.known(object);
    if (!answer || !(object.steps.length || object.edits.length)) return;
    const spoken = JSON.stringify([object.id, object.steps, object.edits]);
    if (spoken === this.spoken) return;
    this.spoken = spoken;
    say(S.message.selected(nameOf(object), factsOf(answer)) + (answer.follows_prompt === false ? S.message.broken : ""));
  }

  #announce(action, before) {
    const object = before.objects.find((each) => each.id === (action.id ?? before.active));
    const line = {
      undo: () => S.message.undone,
      redo: () => S.message.redone,
      accept: () => S.message.accepted(nameOf(object)),
      clear: () => S.message.cleared,
      open: () => S.message.reopened(nameOf(object)),
      remove: () => S.message.removed(nameOf(object)),
    }[action.type];
    this.spoken = null;
    if (line) say(line());
  }

  async #take(image, file, history, turn) {
    this.page.progress(S.encoding, null);
    const ready = this.api.ready(image.id);
    const exact = image.width * image.height <= EXACT;
    const pixels = await createImageBitmap(await this.api.imageFile(image.id, exact ? "png" : "jpeg"));
    if (turn !== this.opening) return;
    this.image = { ...image, pixels };
    this.file = file;
    this.history = history;
    const server = {
      segment: (prompt, options) => this.#ask(image.id, prompt, options),
      alternatives: (...clicks) => this.#patiently(() => this.api.alternatives(image.id, ...clicks)),
      apart: (...clicks) => this.#patiently(() => this.api.apart(image.id, ...clicks)),
    };
    this.answers = new Answers(this.image, server, () => this.state.objects);
    this.page.image(this.image);
    await ready;
    if (turn !== this.opening) return;
    this.page.progress(null);
    say(S.ready(image.name, image.width, image.height));
    this.#save();
    this.refresh();
  }

  /** Ask; if the server has forgotten the image, send it again first: its name is the same. */
  async #ask(id, prompt, options) {
    try {
      return await this.api.segment(id, prompt, options);
    } catch (error) {
      if (options.store === false || options.preview || !(await this.sendAgain(error))) throw error;
      if (!prompt.logits) return this.api.segment(id, prompt, options);
      throw Object.assign(new Error(error.message), { known: true, lostLogits: true });
    }
  }

  async #patiently(ask) {
    try {
      return await ask();
    } catch (error) {
      if (await this.sendAgain(error)) return ask();
      throw error;
    }
  }

  /** Make an object of its own for each thing that the active object's clicks are on. */
  async split() {
    const object = this.active;
    if (!object || !canSplit(object)) return say(S.message.nothingToSplit);
    const { points, labels } = promptOf(object.steps);
    try {
      const members = await this.answers.apart({ points, labels });
      if (this.active !== object) return;
      if (members.length < 2) return say(S.message.oneObject);
      const objects = members.map(({ points: own, labels: about }, member) => ({
        steps: [{ kind: "member", points, labels, member, own: { points: own, labels: about } }],
      }));
      this.act({ type: "split", objects });
      say(S.message.split(members.length));
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

/** Whether a step leaves its answer to the model. */
function isOpen({ candidate, alternative }) {
  return typeof candidate !== "number" && typeof alternative !== "number";
}
