/** What 1, 2, 3 … pick: first what anymask takes itself, then what else the last step may mean, each different. */

import { iou } from "./bitmap.js";

/** As many are offered. */
export const PLACES = 6;
const SAME = 0.9;

/**
 * @typedef {object} Offer
 * @property {import("./bitmap.js").ObjectMask} answer
 * @property {object} pick what the step has to say to get it: {}, {choice} or {candidate}
 * @property {boolean} picked whether it is what the step says now
 */

/** @param {object} answers the cache of masks: to(steps), choices(steps), candidates(steps) @param {object[]} steps @returns {Promise<Offer[]>} */
export async function offersOf(answers, steps) {
  const last = steps[steps.length - 1];
  const open = undecided(steps);
  const boxed = steps.some((step) => step.kind === "box" || step.kind === "mask");
  const included = steps.some((step) => step.label === 1 || step.kind === "member");
  const name = boxed || !included || typeof last.candidate === "number" ? "candidate" : "choice";
  const own = await answers.to(open);
  const others = await (name === "choice" ? answers.choices(open) : answers.candidates(open));
  const offers = [{ answer: own, pick: {}, picked: last[name] === undefined || last[name] === null }];
  others.forEach((answer, index) => {
    const picked = last[name] === index;
    const new_ = offers.every((offer) => iou(offer.answer.bitmap, answer.bitmap) <= SAME);
    if (new_ || picked) offers.push({ answer, pick: { [name]: index }, picked });
  });
  return offers.slice(0, PLACES);
}

/** The same steps, the last one's answer left to the model. */
export function undecided(steps) {
  const { choice: _, ...last } = steps[steps.length - 1];
  return [...steps.slice(0, -1), { ...last, candidate: null }];
}
