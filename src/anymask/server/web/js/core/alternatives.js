/** What 1, 2, 3 … pick: first what anymask takes itself, then what else the last step may mean, each different. */

import { iou } from "./bitmap.js";
import { undecided } from "../mask_cache.js";

/** As many are offered. */
export const PLACES = 6;
const SAME = 0.9;

/**
 * @typedef {object} Offer
 * @property {import("../mask_cache.js").Answer} answer
 * @property {object} pick what the step has to say to get it: {}, {choice} or {candidate}
 * @property {boolean} picked whether it is what the step says now
 */

/** @param {import("../mask_cache.js").Answers} answers @param {object[]} steps @returns {Promise<Offer[]>} */
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
