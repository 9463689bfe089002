/** From steps to masks: requests them from the server, caches them, and applies edits. Undo needs no server: earlier masks stay in the cache. */

import { lastWithoutPick } from "./core/alternatives.js";
import { emptyBitmap, fromRle, resized } from "./core/bitmap.js";
import { applyEdit } from "./core/edits.js";

const PREVIEWS = 8;

/** @typedef {import("./core/bitmap.js").ObjectMask} ObjectMask */

export class MaskCache {
  static maxBytes = 160e6; // of masks

  /**
   * @param {{width: number, height: number}} image
   * @param {object} server requests about this image: segment(prompt, options), alternatives(points, labels, window)
   *   and groups(points, labels)
   * @param {() => object[]} objects the present ones: their masks stay in the cache
   */
  constructor(image, server, objects) {
    this.image = image;
    this.server = server;
    this.objects = objects;
    this.entries = new Map(); // by steps: {promise, value, bytes}, oldest first
    this.editResults = new WeakMap(); // by mask: results of edits on it
    this.pendingPreviews = new Map(); // by steps: the promise of a preview
    this.previews = new Map(); // by steps: shown until the mask is here
    this.lastDrawn = new Map(); // by object id: shown until there is anything newer
    this.finished = new WeakMap(); // by steps: edits and mask of an object as it was saved
  }

  /** Take the mask of an object from a file: no request has to make it again. */
  seed({ steps, edits }, rle, score, stability) {
    const mask = { bitmap: fromRle(rle), rle, score, stability, follows_prompt: null, logits: null };
    this.finished.set(steps, { edits, mask: { ...mask, byHand: edits.length > 0 } });
  }

  /** The mask of an object with its edits, if it is in the cache. @returns {ObjectMask | null} */
  get(object) {
    const finished = this.#finished(object);
    if (finished) return finished;
    const mask = this.#lookUp(object.steps);
    return mask ? this.#withEdits(mask, object.edits) : null;
  }

  /**
   * The mask to draw: the object's own, or its preview, or the last one drawn. A preview may be smaller than the image.
   *
   * @returns {ObjectMask | null}
   */
  latest(object) {
    const preview = this.previews.get(keyOf(object.steps));
    const mask = this.get(object) ?? (preview ? this.#withEdits(preview, object.edits) : null);
    if (mask) this.lastDrawn.set(object.id, mask);
    return mask ?? this.lastDrawn.get(object.id) ?? null;
  }

  /** The pixels of the mask to draw, in the size of the image. @returns {import("./core/bitmap.js").Bitmap | null} */
  latestBitmap(object) {
    const mask = this.latest(object);
    return mask && resized(mask.bitmap, this.image.width, this.image.height);
  }

  /** The mask of an object with its edits. @returns {Promise<ObjectMask>} */
  async fetch(object) {
    const finished = this.#finished(object);
    if (finished) return finished;
    return this.#withEdits(await this.fetchSteps(object.steps), object.edits);
  }

  #finished({ steps, edits }) {
    const finished = this.finished.get(steps);
    return finished?.edits === edits ? finished.mask : null;
  }

  /** The mask that steps give. @returns {Promise<ObjectMask>} */
  async fetchSteps(steps) {
    if (!steps.length) return this.#empty();
    const last = steps[steps.length - 1];
    return this.#once(keyOf(steps), async () => {
      if (last.kind === "mask") return maskOfRegion(last);
      const [list, index] = pickOf(last);
      if (list === null) return maskFromJson(await this.#request(steps, {}));
      const all = await (list === "groups" ? this.groups(last) : this[list](steps));
      return all[Math.min(index, all.length - 1)];
    });
  }

  /** The preview of steps, to be shown until the mask is here. @returns {Promise<ObjectMask>} */
  async fetchPreview(steps) {
    const key = keyOf(steps);
    if (!this.previews.has(key)) {
      this.storePreview(steps, await (this.pendingPreviews.get(key) ?? this.requestPreview(steps)));
    }
    return this.previews.get(key);
  }

  storePreview(steps, mask) {
    this.previews.set(keyOf(steps), mask);
    if (this.previews.size > PREVIEWS) this.previews.delete(this.previews.keys().next().value);
  }

  /** What the clicks may mean, the best first. @returns {Promise<ObjectMask[]>} */
  alternatives(steps) {
    const { points, labels } = promptOf(steps);
    const { window = null } = steps[steps.length - 1];
    return this.#once(listKey("alternatives", steps), async () =>
      (await this.server.alternatives(points, labels, window)).map(maskFromJson),
    );
  }

  /** A mask for each group of points that are on one object, with its points. @returns {Promise<ObjectMask[]>} */
  groups({ points, labels }) {
    return this.#once(listKey("groups", [{ points, labels }]), async () =>
      (await this.server.groups(points, labels)).map((mask) => ({
        ...maskFromJson(mask),
        points: mask.points,
        labels: mask.labels,
      })),
    );
  }

  /** The model's masks for the last step, in its own order. @returns {Promise<ObjectMask[]>} */
  candidates(steps) {
    return this.#once(listKey("candidates", steps), async () => {
      const mask = await this.#request(lastWithoutPick(steps), { candidates: true });
      return mask.candidates.map(maskFromJson);
    });
  }

  /**
   * What a click at the cursor would give; not cached.
   *
   * @param {boolean} thorough the mask that a click gives, without refinement, instead of one run of the decoder
   * @returns {Promise<ObjectMask>}
   */
  requestPreview(steps, thorough = false) {
    const key = keyOf(steps);
    const preview = (async () => {
      const options = { ...windowOf(steps), ...(thorough ? { refine: "off", store: false } : { preview: true }) };
      return maskFromJson(await this.server.segment(await this.#prompt(steps), options));
    })();
    const settled = () => this.pendingPreviews.get(key) === preview && this.pendingPreviews.delete(key);
    this.pendingPreviews.set(key, preview); // a click on the same place needs no second request
    preview.then(settled, settled);
    return preview;
  }

  /** The prompt of the last step, which builds on the mask before; but a box begins anew. */
  async #prompt(steps) {
    const prompt = promptOf(steps);
    const before = steps.slice(0, -1);
    if (before.length && steps[steps.length - 1].kind !== "box") {
      const earlier = await this.fetchSteps(before);
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
      // The server has forgotten the earlier mask: request that one again, then this.
      if (!prompt.logits || !error.lostLogits || again) throw error;
      for (const [key, { value }] of this.entries) if (value) this.entries.delete(key);
      return this.#request(steps, options, true);
    }
  }

  #once(key, make) {
    const existing = this.entries.get(key);
    if (existing) {
      this.entries.delete(key);
      this.entries.set(key, existing);
      return existing.promise;
    }
    const entry = { promise: make(), value: null, bytes: 0 };
    this.entries.set(key, entry);
    entry.promise.then(
      (value) => {
        entry.value = value;
        entry.bytes = [value].flat().reduce((bytes, mask) => bytes + 3 * mask.bitmap.data.length, 256);
        this.#evict();
      },
      () => this.entries.get(key) === entry && this.entries.delete(key),
    );
    return entry.promise;
  }

  #lookUp(steps) {
    if (!steps.length) return this.#empty();
    const last = steps[steps.length - 1];
    const mask = this.entries.get(keyOf(steps))?.value;
    if (mask) return mask;
    const [list, index] = pickOf(last);
    const all = list && this.entries.get(listKey(list, steps))?.value;
    return all ? all[Math.min(index, all.length - 1)] : null;
  }

  /** Remove the oldest entries until the rest fits, but none of the present objects. */
  #evict() {
    let bytes = [...this.entries.values()].reduce((total, entry) => total + entry.bytes, 0);
    if (bytes <= MaskCache.maxBytes) return;
    const used = new Set(this.objects().map((object) => keyOf(object.steps)));
    for (const [key, entry] of this.entries) {
      if (bytes <= MaskCache.maxBytes) return;
      if (!entry.value || used.has(key)) continue;
      this.entries.delete(key);
      bytes -= entry.bytes;
    }
  }

  #withEdits(mask, edits) {
    if (!edits.length) return mask;
    const before = this.#withEdits(mask, edits.slice(0, -1));
    if (!this.editResults.has(before)) this.editResults.set(before, new Map());
    const results = this.editResults.get(before);
    const edit = edits[edits.length - 1];
    const key = JSON.stringify(edit);
    if (!results.has(key)) {
      const bitmap = applyEdit(resized(before.bitmap, this.image.width, this.image.height), edit);
      results.set(key, { ...before, bitmap, rle: null, byHand: true });
    }
    return results.get(key);
  }

  #empty() {
    this.emptyMask ??= {
      bitmap: emptyBitmap(this.image.width, this.image.height),
      score: null,
      stability: null,
      follows_prompt: null,
      logits: null,
    };
    return this.emptyMask;
  }
}

/** The prompt for the server: all points and the box up to the last step. */
export function promptOf(steps) {
  const points = [];
  const labels = [];
  for (const step of steps) {
    if (step.kind === "point") {
      points.push([step.x, step.y]);
      labels.push(step.label);
    } else if (step.kind === "group") {
      points.push(...step.own.points);
      labels.push(...step.own.labels);
    }
  }
  const box = steps.findLast((step) => step.kind === "box")?.box ?? null;
  return { points, labels, box };
}

/** What was visible when the last step was made, if the view was zoomed in. */
function windowOf(steps) {
  const { window } = steps[steps.length - 1];
  return window ? { window } : {};
}

function maskFromJson(mask) {
  return {
    bitmap: fromRle(mask.rle),
    rle: null,
    score: mask.score,
    stability: mask.stability,
    follows_prompt: mask.follows_prompt,
    logits: mask.logits ?? null,
  };
}

function maskOfRegion(step) {
  const { rle, score = null, stability = null } = step;
  return { bitmap: fromRle(rle), rle, score, stability, follows_prompt: null, logits: null };
}

const keyOf = (steps) => JSON.stringify(steps);

/** The list of masks that a step picks one of, and the index; [null, null] if it leaves that to anymask. */
function pickOf({ kind, group, alternative, candidate }) {
  if (kind === "group") return ["groups", group];
  if (typeof alternative === "number") return ["alternatives", alternative];
  return typeof candidate === "number" ? ["candidates", candidate] : [null, null];
}

function listKey(list, steps) {
  const last = steps[steps.length - 1];
  if (list === "groups") return `groups ${JSON.stringify([last.points, last.labels])}`;
  if (list === "candidates") return `candidates ${keyOf(lastWithoutPick(steps))}`;
  const { points, labels } = promptOf(steps);
  return `alternatives ${JSON.stringify([points, labels, last.window ?? null])}`;
}
