/** What the keys 1, 2, 3 … pick: first the mask that anymask selects itself, then other masks that differ from it. */

import { iou } from "./bitmap.js";

/** The most alternatives that are shown. */
export const LIMIT = 6;
const SAME = 0.9; // IoU above which two masks are one alternative

/**
 * @typedef {object} Alternative
 * @property {import("./bitmap.js").ObjectMask} answer
 * @property {object} pick what the step has to hold to get it: {}, {alternative} or {candidate}
 * @property {boolean} picked whether the step holds it now
 */

/**
 * The alternatives for the last step: for clicks all that they may mean, for a box the model's three candidates.
 *
 * @param {object} answers the cache of masks: to(steps), alternatives(steps), candidates(steps)
 * @param {object[]} steps
 * @returns {Promise<Alternative[]>}
 */
export async function alternativesOf(answers, steps) {
  const last = steps[steps.length - 1];
  const open = undecided(steps);
  const boxed = steps.some((step) => step.kind === "box" || step.kind === "mask");
  const included = steps.some((step) => step.label === 1 || step.kind === "member");
  const key = boxed || !included || typeof last.candidate === "number" ? "candidate" : "alternative";
  const own = await answers.to(open);
  const others = await (key === "alternative" ? answers.alternatives(open) : answers.candidates(open));
  const alternatives = [{ answer: own, pick: {}, picked: last[key] === undefined || last[key] === null }];
  others.forEach((answer, index) => {
    const picked = last[key] === index;
    const differs = alternatives.every((other) => iou(other.answer.bitmap, answer.bitmap) <= SAME);
    if (differs || picked) alternatives.push({ answer, pick: { [key]: index }, picked });
  });
  return alternatives.slice(0, LIMIT);
}

/** The same steps; which mask the last one gives is left to anymask. */
export function undecided(steps) {
  const { alternative: _, ...last } = steps[steps.length - 1];
  return [...steps.slice(0, -1), { ...last, candidate: null }];
}
