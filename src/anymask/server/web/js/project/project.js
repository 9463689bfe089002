/** The open project: its images, its classes, who works where, and which image is open. */

import { hideError, say, sayFailure, showError } from "../ui/live_region.js";
import { ProjectSession } from "./session.js";
import { classes } from "../core/classes.js";
import { S } from "../core/strings.js";

const RECONNECT = 1000; // milliseconds

export class Project {
  /**
   * @param {import("../net/project_api.js").ProjectApi} api
   * @param {import("../app.js").App} app
   * @param {object} page shows what changes: project(), images() the list, image(image) one of it, state(text) of saving,
   *   locked(lock | null), suggestions(), job(job)
   */
  constructor(api, app, page) {
    this.api = api;
    this.app = app;
    this.page = page;
    this.id = null;
    this.about = null;
    this.session = null;
    this.filter = {}; // of the filmstrip, and of next and previous
    this.upcoming = () => []; // numbers of the images after the open one
    window.addEventListener("pagehide", () => this.session?.close());
  }

  get isOpen() {
    return this.id !== null;
  }

  /** Number of the open image, or null. */
  get number() {
    return this.session?.number ?? null;
  }

  /** Open a project, at the image that this tab had open, or at the first one with work to do. */
  async start(id) {
    const about = await this.api.project(id);
    this.id = id;
    this.#setAbout(about);
    this.page.images();
    this.#listen(about.sequence).catch(sayFailure);
    const last = Number(sessionStorage.getItem(`anymask.image.${id}`)) || null;
    if (last && (await this.open(last))) return;
    const [todo] = (await this.api.images(id, 0, 1, { state: ["todo", "in_work"] })).images;
    const first = todo ?? (await this.api.images(id, 0, 1, {})).images[0];
    if (first) await this.open(first.number);
  }

  /** Open an image with its objects. @returns {Promise<boolean>} */
  async open(number) {
    if (number === this.number && this.app.image) return true;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    hideError("project-error");
    try {
      if (this.app.active && this.session?.writable) this.app.act({ type: "accept" });
      await this.app.flush();
      const answer = await this.api.open(this.id, number, this.upcoming(number));
      if (turn !== this.turn) return false;
      const session = new ProjectSession(this.api, this.id, answer, {
        state: (text) => session === this.session && this.page.state(text),
        locked: (lock, was) => session === this.session && this.#locked(lock, was),
        replaced: (newer) => session === this.session && this.#replace(newer),
        suggestionsChanged: () => session === this.session && this.#readSuggestions(),
      });
      const history = await session.historyOf(answer);
      this.session?.close();
      this.session = session;
      sessionStorage.setItem(`anymask.image.${this.id}`, number);
      this.page.state(session.hasUnsaved ? "saving" : "saved");
      session.writable = answer.lock === null || answer.lock.mine === true;
      session.lockedBy = session.writable ? null : answer.lock;
      const locking = session.lock();
      this.page.image(null);
      const shown = await this.app.show(session, history);
      await locking;
      if (answer.changed) showError("project-error", expected(S.fileChanged));
      this.page.suggestions();
      return shown;
    } catch (error) {
      if (turn === this.turn) showError("project-error", error);
      return false;
    }
  }

  /** Open the next image (1) or the one before (-1) of the filter. */
  async step(direction) {
    if (this.number === null) return;
    const { image } = await this.api.neighbour(this.id, this.number, direction, this.filter);
    if (!image || image.number === this.number) return say(S.noFurtherImage);
    await this.open(image.number);
  }

  /** Mark the open image, and open the next one with work to do. @param {"done" | "skipped" | "todo"} state */
  async finish(state) {
    const { number, app } = this;
    if (number === null) return;
    hideError("project-error");
    try {
      if (app.active) app.act({ type: "accept" });
      await app.flush();
      this.page.image(await this.api.setState(this.id, number, state));
      const filter = this.filter.state ? this.filter : { ...this.filter, state: ["todo", "in_work"] };
      const { image } = await this.api.neighbour(this.id, number, 1, filter);
      if (image && image.number !== number) await this.open(image.number);
      else say(S.allDone);
    } catch (error) {
      showError("project-error", error);
      this.page.missing(error.problem?.objects ?? []);
    }
  }

  /** Work here, whoever has the image now. */
  async takeOver() {
    const { session } = this;
    await session.lock(true);
    this.#replace(await this.api.session(this.id, session.number));
  }

  /** Make a class, or find the one of that name. @returns {Promise<import("../core/classes.js").Class>} */
  async addClass(name) {
    try {
      const made = await this.api.addClass(this.id, name);
      if (!classes.find(made.id)) classes.set([...classes.list, made], classes.merged);
      return made;
    } catch (error) {
      if (error.status === 409 && error.problem.class) return error.problem.class;
      throw error;
    }
  }

  /** Read the classes as they are now, with the numbers of their objects. */
  async readClasses() {
    let version, answer;
    do {
      ({ version } = classes);
      answer = await this.api.classes(this.id);
    } while (version !== classes.version); // an event came meanwhile, and may be newer
    classes.set(answer.classes, answer.merged);
    this.page.project();
  }

  /** Suggestions of the open image that nobody has decided about. */
  get suggestions() {
    const decided = this.app.state.decided ?? {};
    return (this.session?.suggestions ?? []).filter((suggestion) => !(suggestion.id in decided));
  }

  #setAbout(about) {
    this.about = about;
    classes.set(about.classes, about.merged);
    this.page.project();
  }

  #locked(lock, was) {
    this.page.locked(lock);
    if (lock && was) say(S.lockLost(lock.name));
    if (!lock && !was) this.#follow();
  }

  /** Somebody else changed the open image: show it as it is now; Undo brings back what was here. */
  async #replace(newer) {
    const { session, app } = this;
    const before = app.history;
    const lost = app.unsaved || before.present.active !== null;
    const history = await session.historyOf(newer);
    if (session !== this.session) return;
    app.unsaved = false;
    app.replace(lost ? { ...history, past: [...before.past.slice(-50), before.present] } : history);
    this.page.suggestions();
    if (lost && session.writable) say(S.replaced);
  }

  /** Show what another one does on the open image. */
  async #follow() {
    const { session } = this;
    const newer = await this.api.session(this.id, session.number);
    if (session === this.session && newer.revision !== session.revision) await this.#replace(newer);
  }

  async #readSuggestions() {
    const { session } = this;
    const newer = await this.api.session(this.id, session.number);
    if (session !== this.session) return;
    session.suggestions = newer.suggestions;
    this.page.suggestions();
  }

  /** Follow the events of the project; after a break, go on where it broke off. */
  async #listen(sequence) {
    let after = sequence;
    for (;;) {
      try {
        await this.api.events(this.id, after, (name, data, id) => {
          after = id ?? after;
          this.#handle(name, data).catch(sayFailure);
        });
      } catch (error) {
        if (!error.offline && error.name !== "TypeError" && error.status !== 503) throw error; // a reader that breaks off throws a TypeError
      }
      await new Promise((resolve) => setTimeout(resolve, RECONNECT));
    }
  }

  async #handle(name, data) {
    if (name === "image") {
      this.page.image(data);
      const own = data.by === this.api.client.slice(0, 8);
      if (data.number !== this.number || own) return;
      if (data.revision !== this.session.revision && !this.app.saving) await this.#follow();
      else if (data.suggestions !== this.suggestions.length) await this.#readSuggestions();
    } else if (name === "lock") {
      this.page.lock(data);
      if (data.number === this.number) this.session.lockChanged(data.lock);
    } else if (name === "classes") {
      classes.set(data.classes, data.merged);
      this.page.project();
    } else if (name === "job") this.page.job(data);
    else if (name === "project") this.#setAbout(data);
    else if (name === "images") this.page.images();
    else if (name === "reload") {
      this.#setAbout(await this.api.project(this.id));
      this.page.images();
      if (this.session && !this.session.writable) await this.#follow();
    }
  }
}

function expected(text) {
  return Object.assign(new Error(text), { expected: true });
}
