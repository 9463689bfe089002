/** What the keys 1, 2, 3 … pick: first the mask that anymask selects itself, then other masks that differ from it.
 *
 * A step picks a mask by its index in one of two lists: `alternative`, of all that clicks may mean, or `candidate`, of
 * the model's three masks for one prompt.
 */

import { iou } from "./bitmap.js";

/** The most alternatives that are shown. */
export const LIMIT = 6;
const SAME = 0.9; // IoU above which two masks are one alternative

/**
 * @typedef {object} Alternative
 * @property {import("./bitmap.js").ObjectMask} mask
 * @property {object} pick what the step has to hold to get it: {}, {alternative} or {candidate}
 * @property {boolean} picked whether the step holds it now
 */

/**
 * The alternatives for the last step: for clicks all that they may mean, for a box the model's three candidates.
 *
 * @param {object} masks the cache of masks: fetchSteps(steps), alternatives(steps), candidates(steps)
 * @param {object[]} steps
 * @returns {Promise<Alternative[]>}
 */
export async function alternativesOf(masks, steps) {
  const last = steps[steps.length - 1];
  const plain = lastWithoutPick(steps);
  const boxed = steps.some((step) => step.kind === "box" || step.kind === "mask");
  const included = steps.some((step) => step.label === 1 || step.kind === "group");
  const key = boxed || !included || typeof last.candidate === "number" ? "candidate" : "alternative";
  const own = await masks.fetchSteps(plain);
  const others = await (key === "alternative" ? masks.alternatives(plain) : masks.candidates(plain));
  const alternatives = [{ mask: own, pick: {}, picked: last[key] === undefined || last[key] === null }];
  others.forEach((mask, index) => {
    const picked = last[key] === index;
    const differs = alternatives.every((other) => iou(other.mask.bitmap, mask.bitmap) <= SAME);
    if (differs || picked) alternatives.push({ mask, pick: { [key]: index }, picked });
  });
  return alternatives.slice(0, LIMIT);
}

/** Whether a step picks a mask itself. */
export function hasPick({ candidate, alternative }) {
  return typeof candidate === "number" || typeof alternative === "number";
}

/** The same step; which mask it gives is left to anymask. */
export function withoutPick({ alternative: _, ...step }) {
  return { ...step, candidate: null };
}

/** The same steps; which mask the last one gives is left to anymask. */
export function lastWithoutPick(steps) {
  return [...steps.slice(0, -1), withoutPick(steps[steps.length - 1])];
}
