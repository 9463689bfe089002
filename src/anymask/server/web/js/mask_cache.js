/** From steps to masks: asks the server, remembers, and applies edits. Undo needs no server: earlier masks stay in the cache. */

import { undecided } from "./core/alternatives.js";
import { emptyBitmap, fromRle } from "./core/bitmap.js";
import { edited } from "./core/edits.js";

const GLIMPSES = 8;

/** @typedef {import("./core/bitmap.js").ObjectMask} ObjectMask */

export class Answers {
  static room = 160e6; // bytes of masks to remember

  /**
   * @param {{width: number, height: number}} image
   * @param {object} server asks about this image: segment(prompt, options), alternatives(points, labels, window) and
   *   apart(points, labels)
   * @param {() => object[]} objects those of the moment: their masks are not forgotten
   */
  constructor(image, server, objects) {
    this.image = image;
    this.server = server;
    this.objects = objects;
    this.cache = new Map(); // by steps: the answer or its promise, oldest first
    this.edited = new WeakMap(); // by mask: results of edits on it
    this.looking = new Map(); // by steps: a look that is under way
    this.glimpses = new Map(); // by steps: what one look gave, until the answer is here
    this.lastShown = new Map(); // by object id: what was drawn last, until there is anything newer
  }

  /** The mask of an object with its edits, if it is known already. @returns {ObjectMask | null} */
  known(object) {
    const answer = this.#look(object.steps);
    return answer ? this.#withEdits(answer, object.edits) : null;
  }

  /** The mask to draw: while the answer is being made what one look gave, or the last one known. */
  shown(object) {
    const glimpse = this.glimpses.get(keyOf(object.steps));
    const answer = this.known(object) ?? (glimpse ? this.#withEdits(glimpse, object.edits) : null);
    if (answer) this.lastShown.set(object.id, answer);
    return answer ?? this.lastShown.get(object.id) ?? null;
  }

  /** The mask of an object with its edits. @returns {Promise<ObjectMask>} */
  async of(object) {
    return this.#withEdits(await this.to(object.steps), object.edits);
  }

  /** The answer to steps. @returns {Promise<ObjectMask>} */
  async to(steps) {
    if (!steps.length) return this.#empty();
    const last = steps[steps.length - 1];
    return this.#once(keyOf(steps), async () => {
      if (last.kind === "mask") return regionOf(last);
      const [list, place] = placeOf(last);
      if (list === null) return answerOf(await this.#request(steps, {}));
      const all = await (list === "apart" ? this.apart(last) : this[list](steps));
      return all[Math.min(place, all.length - 1)];
    });
  }

  /** What one look at the steps gives, to be shown until the answer is here. @returns {Promise<ObjectMask>} */
  async glimpse(steps) {
    const key = keyOf(steps);
    if (!this.glimpses.has(key)) this.storePreview(steps, await (this.looking.get(key) ?? this.preview(steps)));
    return this.glimpses.get(key);
  }

  /** Remember what one look gave. */
  storePreview(steps, answer) {
    this.glimpses.set(keyOf(steps), answer);
    if (this.glimpses.size > GLIMPSES) this.glimpses.delete(this.glimpses.keys().next().value);
  }

  /** What the clicks may mean, the best first. @returns {Promise<ObjectMask[]>} */
  alternatives(steps) {
    const { points, labels } = promptOf(steps);
    const { window = null } = steps[steps.length - 1];
    return this.#once(listKey("alternatives", steps), async () =>
      (await this.server.alternatives(points, labels, window)).map(answerOf),
    );
  }

  /** A mask for each object that some points are on, with its points. @returns {Promise<ObjectMask[]>} */
  apart({ points, labels }) {
    return this.#once(listKey("apart", [{ points, labels }]), async () =>
      (await this.server.apart(points, labels)).map((mask) => ({
        ...answerOf(mask),
        points: mask.points,
        labels: mask.labels,
      })),
    );
  }

  /** The model's answers to the last step, in its own order. @returns {Promise<ObjectMask[]>} */
  candidates(steps) {
    return this.#once(listKey("candidates", steps), async () => {
      const mask = await this.#request(undecided(steps), { candidates: true });
      return mask.candidates.map(answerOf);
    });
  }

  /** What a click at the cursor would give, or one look at it; not remembered. @returns {Promise<ObjectMask>} */
  preview(steps, thorough = false) {
    const key = keyOf(steps);
    const look = (async () => {
      const options = { ...windowOf(steps), ...(thorough ? { refine: "off", store: false } : { preview: true }) };
      return answerOf(await this.server.segment(await this.#prompt(steps), options));
    })();
    const over = () => this.looking.get(key) === look && this.looking.delete(key);
    this.looking.set(key, look); // a click on the place that is looked at need not ask once more
    look.then(over, over);
    return look;
  }

  /** The prompt of the last step, which builds on the answer before; but a box begins anew. */
  async #prompt(steps) {
    const prompt = promptOf(steps);
    const before = steps.slice(0, -1);
    if (before.length && steps[steps.length - 1].kind !== "box") {
      const earlier = await this.to(before);
      if (earlier.logits) prompt.logits = earlier.logits;
      else if (earlier.rle) prompt.mask = earlier.rle;
    }
    return prompt;
  }

  async #request(steps, options, again = false) {
    const prompt = await this.#prompt(steps);
    try {
      return await this.server.segment(prompt, { ...options, ...windowOf(steps) });
    } catch (error) {
      // The server has forgotten the earlier answer: ask for that one again, then for this.
      if (!prompt.logits || !error.lostLogits || again) throw error;
      for (const [key, { value }] of this.cache) if (value) this.cache.delete(key);
      return this.#request(steps, options, true);
    }
  }

  #once(key, make) {
    const found = this.cache.get(key);
    if (found) {
      this.cache.delete(key);
      this.cache.set(key, found);
      return found.promise;
    }
    const entry = { promise: make(), value: null, bytes: 0 };
    this.cache.set(key, entry);
    entry.promise.then(
      (value) => {
        entry.value = value;
        entry.bytes = [value].flat().reduce((bytes, answer) => bytes + 3 * answer.bitmap.data.length, 256);
        this.#forgetOldest();
      },
      () => this.cache.get(key) === entry && this.cache.delete(key),
    );
    return entry.promise;
  }

  #look(steps) {
    if (!steps.length) return this.#empty();
    const last = steps[steps.length - 1];
    const known = this.cache.get(keyOf(steps))?.value;
    if (known) return known;
    const [list, place] = placeOf(last);
    const all = list && this.cache.get(listKey(list, steps))?.value;
    return all ? all[Math.min(place, all.length - 1)] : null;
  }

  #forgetOldest() {
    let bytes = [...this.cache.values()].reduce((total, entry) => total + entry.bytes, 0);
    if (bytes <= Answers.room) return;
    const used = new Set(this.objects().map((object) => keyOf(object.steps)));
    for (const [key, entry] of this.cache) {
      if (bytes <= Answers.room) return;
      if (!entry.value || used.has(key)) continue;
      this.cache.delete(key);
      bytes -= entry.bytes;
    }
  }

  #withEdits(answer, edits) {
    if (!edits.length) return answer;
    const before = this.#withEdits(answer, edits.slice(0, -1));
    if (!this.edited.has(before)) this.edited.set(before, new Map());
    const results = this.edited.get(before);
    const key = JSON.stringify(edits[edits.length - 1]);
    if (!results.has(key)) {
      results.set(key, { ...before, bitmap: edited(before.bitmap, edits[edits.length - 1]), rle: null, byHand: true });
    }
    return results.get(key);
  }

  #empty() {
    this.nothing ??= {
      bitmap: emptyBitmap(this.image.width, this.image.height),
      score: null,
      stability: null,
      follows_prompt: null,
      logits: null,
    };
    return this.nothing;
  }
}

/** What the server is asked: all points and the box up to the last step. */
export function promptOf(steps) {
  const points = [];
  const labels = [];
  for (const step of steps) {
    if (step.kind === "point") {
      points.push([step.x, step.y]);
      labels.push(step.label);
    } else if (step.kind === "member") {
      points.push(...step.own.points);
      labels.push(...step.own.labels);
    }
  }
  const box = steps.findLast((step) => step.kind === "box")?.box ?? null;
  return { points, labels, box };
}

/** What was visible when the last step was made, if that was closer than the whole image. */
function windowOf(steps) {
  const { window } = steps[steps.length - 1];
  return window ? { window } : {};
}

function answerOf(mask) {
  return {
    bitmap: fromRle(mask.rle),
    rle: null,
    score: mask.score,
    stability: mask.stability,
    follows_prompt: mask.follows_prompt,
    logits: mask.logits ?? null,
  };
}

function regionOf(step) {
  const { rle, score = null, stability = null } = step;
  return { bitmap: fromRle(rle), rle, score, stability, follows_prompt: null, logits: null };
}

const keyOf = (steps) => JSON.stringify(steps);

/** The list of answers that a step picks one of, and which; [null, null] if it leaves that to the model. */
function placeOf({ kind, member, alternative, candidate }) {
  if (kind === "member") return ["apart", member];
  if (typeof alternative === "number") return ["alternatives", alternative];
  return typeof candidate === "number" ? ["candidates", candidate] : [null, null];
}

function listKey(list, steps) {
  const last = steps[steps.length - 1];
  if (list === "apart") return `apart ${JSON.stringify([last.points, last.labels])}`;
  if (list === "candidates") return `candidates ${keyOf(undecided(steps))}`;
  const { points, labels } = promptOf(steps);
  return `alternatives ${JSON.stringify([points, labels, last.window ?? null])}`;
}
