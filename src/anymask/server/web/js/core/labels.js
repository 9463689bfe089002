/** Texts that describe an object: its name, and the share and score of its mask. */

import { classes } from "./classes.js";
import { S } from "./strings.js";

/** The name of an object: its class's, or its own, or its number. */
export const nameOf = (object) => classes.of(object)?.name || object.name || S.unnamed(object.id);

/** Share of the image and score as text. A mask that was painted on has no predicted score any more. */
export function factsOf({ bitmap, score, byHand }) {
  return S.facts(bitmap.area / (bitmap.width * bitmap.height), byHand ? null : score);
}
