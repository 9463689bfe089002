/** One image of a project while it is open: its lock, and that every act is saved.
 *
 * What is not on the server yet is in this browser too (`storage.js`), so that neither a crash of the server nor a reload loses it.
 */

import { loadUnsaved, removeUnsaved, saveUnsaved } from "../net/storage.js";
import { toRle } from "../core/bitmap.js";
import { pack, unpack } from "../core/packing.js";
import { start } from "../core/state.js";
import { classes } from "../core/classes.js";

const HEARTBEAT = 10_000; // milliseconds between renewals of the lock
const RETRY = 1500; // milliseconds until a save that found no server is tried again
const PAST = 100; // undo steps that are saved
const WRITER = crypto.getRandomValues(new Uint32Array(4)).join("-"); // this load of the page, among all that save
const LARGEST_DATA = 200_000; // characters of steps and edits that are saved with an object

export class ProjectSession {
  /**
   * @param {import("../net/project_api.js").ProjectApi} api
   * @param {string} project
   * @param {object} answer of opening the image
   * @param {object} page says what happens: state(text), locked(lock | null), replaced(session)
   */
  constructor(api, project, answer, page) {
    Object.assign(this, { api, project, page });
    this.number = answer.number;
    this.revision = answer.revision;
    this.image = { ...answer.image, name: answer.name };
    this.key = `${project}/${this.number}`;
    this.sent = new Map(); // by id on the server: the object as it was sent
    this.decided = {}; // decisions about suggestions that the server has
    this.writable = false;
    this.lockedBy = null;
    this.closed = false;
    this.hasUnsaved = false;
  }

  /** What a new object has from the start. */
  get begin() {
    return { class: classes.current, prefix: this.api.client.slice(0, 8) };
  }

  /** The history to begin with: that of the server, or what this browser could not save before. */
  async historyOf(session) {
    const present = this.#adopt(session);
    const unsaved = await loadUnsaved(this.key);
    if (!unsaved) return present;
    const history = unpack(unsaved.history);
    if (unsaved.revision === session.revision || isSaveOf(unsaved.writer, session)) {
      this.hasUnsaved = true;
      return history;
    }
    return { ...present, past: [...history.past, history.present, ...present.past.slice(-1)].slice(-PAST) };
  }

  /** The server's objects as a state; with its history where that leads to the same objects. */
  #adopt(session) {
    this.revision = session.revision;
    this.suggestions = session.suggestions;
    const saved = session.history ? unpack(session.history) : start();
    const byId = new Map(session.objects.map((object) => [object.id, object]));
    const remaining = saved.present.objects.filter((object) => byId.has(object.sid) || !this.#wasSaved(session, object));
    const present = remaining.map((object) => {
      const there = byId.get(object.sid);
      return there && there.class !== (object.class ?? null) ? { ...object, class: there.class } : object;
    });
    let { next } = saved.present;
    const ids = new Set(present.map((object) => object.sid));
    for (const object of session.objects) {
      if (!ids.has(object.id)) present.push(stateOf(object, next++));
    }
    const same =
      present.length === saved.present.objects.length && present.every((object, n) => object === saved.present.objects[n]);
    this.sent = new Map(present.filter((object) => byId.has(object.sid)).map((object) => [object.sid, object]));
    this.rles = present.filter((object) => byId.has(object.sid)).map((object) => ({ object, ...byId.get(object.sid) }));
    this.decided = saved.present.decided ?? {};
    if (same) return saved;
    const active = present.some((object) => object.id === saved.present.active) ? saved.present.active : null;
    const state = { ...saved.present, objects: present, next, active, before: active === null ? null : saved.present.before };
    return { past: session.history ? [...saved.past, saved.present] : [], present: state, future: [] };
  }

  /** Whether an object of the history was on the server, so that somebody has removed it since. */
  #wasSaved(session, object) {
    return (session.history?.saved ?? []).includes(object.sid);
  }

  /** Masks that need no request. @param {import("../mask_cache.js").MaskCache} masks */
  seed(masks) {
    for (const { object, rle, score, stability } of this.rles) masks.seed(object, rle, score, stability);
  }

  /** Get the lock, and renew it until the image is closed. */
  async lock(take = false) {
    clearTimeout(this.heartbeat);
    if (this.closed) return;
    try {
      await this.api.lock(this.project, this.number, take);
      this.#setLock(null);
    } catch (error) {
      if (error.status === 423) this.#setLock(error.problem.lock ?? {});
    }
    if (!this.closed) this.heartbeat = setTimeout(() => this.lock(), HEARTBEAT);
  }

  #setLock(lock) {
    const [was, by] = [this.writable, this.lockedBy];
    this.writable = lock === null;
    this.lockedBy = lock;
    if (was !== this.writable || by?.name !== lock?.name) this.page.locked(lock, was);
  }

  /** The lock changed, says the server. */
  lockChanged(lock) {
    if (lock && lock.client !== this.api.client.slice(0, 8)) this.#setLock(lock);
    else if (!lock && !this.writable) this.lock();
  }

  /** Save a history in this browser until the server has it. Each act does this, also while an earlier save is on its way. */
  async saveLocally(history) {
    const record = { revision: this.revision, writer: WRITER, history: packed(history) };
    await saveUnsaved(this.key, record).catch(() => null);
  }

  /**
   * Save a history; when the server cannot be reached, try until it can.
   *
   * @param {object} app with its masks, and `unsaved` once there is a newer history
   */
  async save(app) {
    const { history } = app;
    await this.saveLocally(history);
    for (;;) {
      this.page.state("saving");
      try {
        await this.#put(app, history);
        if (!app.unsaved) await removeUnsaved(this.key).catch(() => null);
        this.page.state("saved");
        return;
      } catch (error) {
        const newer = error.status === 409 ? error.problem.session : null;
        if (newer && !isSaveOf(WRITER, newer)) return this.page.replaced(newer);
        if (newer) {
          this.revision = newer.revision;
          this.sent = new Map(); // all objects are sent once more
          continue;
        }
        if (error.status === 423) {
          this.#setLock(error.problem.lock ?? {});
          return;
        }
        if (!error.offline && error.status !== 503 && error.status !== 429) throw error;
        this.page.state("offline");
        await new Promise((resolve) => setTimeout(resolve, RETRY));
        if (app.unsaved || this.closed) return; // the next save has all of this, too
      }
    }
  }

  async #put(app, history) {
    const { objects: all, decided = {} } = history.present;
    const sent = new Map();
    const objects = [];
    for (const object of all) {
      const id = object.sid;
      if (this.sent.get(id) === object) objects.push({ id });
      else {
        const mask = await app.masks.fetch(object).catch((error) => {
          if (error.offline) throw error;
          return null; // its steps are in the history
        });
        if (!mask?.bitmap.area) continue;
        objects.push(bodyOf(id, object, mask));
      }
      sent.set(id, object);
    }
    const suggestions = changes(this.decided, decided);
    const about = { saved: [...sent.keys()], writer: WRITER, revision: this.revision + 1 };
    const body = { revision: this.revision, objects, history: { ...packed(history), ...about } };
    const answer = await this.api.save(this.project, this.number, { ...body, suggestions });
    this.revision = answer.revision;
    this.sent = sent;
    this.decided = decided;
    this.#setLock(null);
    if (Object.values(suggestions).includes("open")) this.page.suggestionsChanged();
  }

  /** The server has forgotten the image's pixels: open it again. @returns {Promise<boolean>} */
  async resend() {
    await this.api.open(this.project, this.number, []);
    return true;
  }

  /** Show whether somebody else works on the image. */
  announce() {
    this.page.locked(this.lockedBy, this.writable);
  }

  /** Give the image back. */
  close() {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.heartbeat);
    if (this.writable) this.api.unlock(this.project, this.number).catch(() => null);
  }
}

/** Whether the latest revision is a save of this writer; its answer may never have come back. */
function isSaveOf(writer, { revision, history }) {
  return history?.writer === writer && history.revision === revision;
}

function packed({ past, present, future }) {
  return pack({ past: past.slice(-PAST), present, future: future.slice(0, PAST) });
}

function bodyOf(id, object, mask) {
  const { steps, edits, visible } = object;
  const data = { steps, edits, visible };
  return {
    id,
    class: object.class ?? null,
    rle: toRle(mask.bitmap),
    score: mask.byHand ? null : mask.score,
    stability: mask.byHand ? null : mask.stability,
    data: JSON.stringify(data).length > LARGEST_DATA ? null : data,
    source: object.source ?? "manual",
  };
}

/** An object of the server in the state; without steps of its own its mask is its only step. */
function stateOf({ id, rle, score, stability, data, source, class: number }, next) {
  const own = data?.steps ? data : { steps: [{ kind: "mask", rle, score, stability }], edits: [], visible: true };
  return { id: next, sid: id, name: "", colour: 0, class: number, source, ...own };
}

/** What to tell the server about suggestions: decisions that are new, and those that were undone. */
function changes(before, now) {
  const result = {};
  for (const [id, decision] of Object.entries(now)) if (before[id] !== decision) result[id] = decision;
  for (const id of Object.keys(before)) if (!(id in now)) result[id] = "open";
  return result;
}
