/** From steps to masks: asks the server, remembers, and applies edits. Undo needs no server: old answers are kept. */

import { cleaned } from "./clean.js";
import { emptyBitmap, fromRle } from "./bitmap.js";
import { stroked } from "./stroke.js";

const ROOM = 160e6; // bytes of masks to remember

/**
 * @typedef {object} Answer
 * @property {import("./bitmap.js").Bitmap} bitmap
 * @property {number | null} score @property {number | null} stability @property {boolean | null} satisfied
 * @property {string | null} logits the server's name for what the next click builds on
 */

export class Answers {
  /**
   * @param {{width: number, height: number}} photo
   * @param {(prompt: object, candidates: boolean) => Promise<object>} ask the server for a mask
   * @param {(prompt: object) => Promise<object>} glance the same for a passing cursor, whose answer nobody builds on
   */
  constructor(photo, ask, glance) {
    this.photo = photo;
    this.ask = ask;
    this.glance = glance;
    this.kept = new Map(); // by steps: the answer or its promise, oldest first
    this.edited = new WeakMap(); // by mask: results of edits on it
    this.lastShown = new Map(); // by object id: what was drawn last, until the next answer is here
  }

  /** The mask of an object with its edits, if it is known already. @returns {Answer | null} */
  known(object) {
    const answer = this.#look(object.steps);
    return answer ? this.#withEdits(answer, object.edits) : null;
  }

  /** The mask to draw: the last one known, while the next is being made. */
  shown(object) {
    const answer = this.known(object);
    if (answer) this.lastShown.set(object.id, answer);
    return answer ?? this.lastShown.get(object.id) ?? null;
  }

  /** The mask of an object with its edits. @returns {Promise<Answer>} */
  async of(object) {
    return this.#withEdits(await this.to(object.steps), object.edits);
  }

  /** The answer to steps. @returns {Promise<Answer>} */
  async to(steps) {
    if (!steps.length) return this.#empty();
    const last = steps[steps.length - 1];
    if (last.kind === "mask") return this.#once(keyOf(steps), async () => regionOf(last));
    if (last.candidate !== null && last.candidate !== undefined) {
      const all = await this.candidates(steps);
      return all[Math.min(last.candidate, all.length - 1)];
    }
    return this.#once(keyOf(steps), async () => {
      return answerOf(await this.#request(steps, false));
    });
  }

  /** The model's answers to the last step, in its own order. @returns {Promise<Answer[]>} */
  candidates(steps) {
    return this.#once(`all ${keyOf(undecided(steps))}`, async () => {
      const mask = await this.#request(undecided(steps), true);
      return mask.candidates.map((each, index) => ({ ...answerOf(each), chosen: index === mask.candidate }));
    });
  }

  /** Which of its answers the model itself takes for the last step, if that is known. @returns {number | null} */
  chosen(steps) {
    const all = this.kept.get(`all ${keyOf(undecided(steps))}`)?.value;
    const index = all?.findIndex((answer) => answer.chosen) ?? -1;
    return index < 0 ? null : index;
  }

  /** What a click at the cursor would give; not remembered. @returns {Promise<Answer>} */
  async preview(steps) {
    return answerOf(await this.glance(await this.#prompt(steps)));
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

  async #request(steps, candidates, again = false) {
    const prompt = await this.#prompt(steps);
    try {
      return await this.ask(prompt, candidates);
    } catch (error) {
      // The server has forgotten the earlier answer: ask for that one again, then for this.
      if (!prompt.logits || !error.lostLogits || again) throw error;
      this.kept.clear();
      return this.#request(steps, candidates, true);
    }
  }

  #once(key, make) {
    const found = this.kept.get(key);
    if (found) {
      this.kept.delete(key);
      this.kept.set(key, found);
      return found.promise;
    }
    const entry = { promise: make(), value: null, bytes: 0 };
    this.kept.set(key, entry);
    entry.promise.then(
      (value) => {
        entry.value = value;
        entry.bytes = [value].flat().reduce((bytes, answer) => bytes + 3 * answer.bitmap.data.length, 256);
        this.#forgetOldest();
      },
      () => this.kept.get(key) === entry && this.kept.delete(key),
    );
    return entry.promise;
  }

  #look(steps) {
    if (!steps.length) return this.#empty();
    const last = steps[steps.length - 1];
    if (last.kind !== "mask" && typeof last.candidate === "number") {
      const all = this.kept.get(`all ${keyOf(undecided(steps))}`)?.value;
      return all ? all[Math.min(last.candidate, all.length - 1)] : null;
    }
    return this.kept.get(keyOf(steps))?.value ?? null;
  }

  #forgetOldest() {
    let bytes = [...this.kept.values()].reduce((total, entry) => total + entry.bytes, 0);
    for (const [key, entry] of this.kept) {
      if (bytes <= ROOM) return;
      if (!entry.value) continue;
      this.kept.delete(key);
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
      bitmap: emptyBitmap(this.photo.width, this.photo.height),
      score: null,
      stability: null,
      satisfied: null,
      logits: null,
    };
    return this.nothing;
  }
}

/** Apply one edit to a mask. */
export function edited(bitmap, edit) {
  if (edit.kind === "clean") return cleaned(bitmap, edit.holes, edit.islands).bitmap;
  return stroked(bitmap, edit.path, edit.size, edit.kind === "brush" ? 1 : 0);
}

/** What the server is asked: all points and the box up to the last step. */
function promptOf(steps) {
  const points = steps.filter((step) => step.kind === "point");
  const box = steps.findLast((step) => step.kind === "box")?.box ?? null;
  return { points: points.map(({ x, y }) => [x, y]), labels: points.map(({ label }) => label), box };
}

function answerOf(mask) {
  return {
    bitmap: fromRle(mask.rle),
    rle: null,
    score: mask.score,
    stability: mask.stability,
    satisfied: mask.satisfied,
    logits: mask.logits ?? null,
  };
}

function regionOf(step) {
  const { rle, score = null, stability = null } = step;
  return { bitmap: fromRle(rle), rle, score, stability, satisfied: null, logits: null };
}

const keyOf = (steps) => JSON.stringify(steps);

/** The same steps, the last one's answer left to the model. */
function undecided(steps) {
  return [...steps.slice(0, -1), { ...steps[steps.length - 1], candidate: null }];
}
