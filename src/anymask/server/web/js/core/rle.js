/** COCO run lengths, as text and as numbers: the currency of masks between server and browser.
 *
 * Runs alternate outside, inside, outside … down the columns of the image. The text keeps five bits to a character,
 * and from the third run on the difference to the run two before.
 */

const BASE = 48;
const MORE = 32;
const SIGN = 16;

/** Runs as numbers. @param {string} text @returns {number[]} */
export function parseCounts(text) {
  const counts = [];
  let at = 0;
  while (at < text.length) {
    let value = 0;
    let shift = 0;
    let digit;
    do {
      digit = text.charCodeAt(at++) - BASE;
      value |= (digit & 31) << shift;
      shift += 5;
    } while (digit & MORE);
    if (digit & SIGN && shift < 32) value |= -1 << shift;
    counts.push(counts.length > 2 ? value + counts[counts.length - 2] : value);
  }
  return counts;
}

/** Runs as text. @param {number[]} counts @returns {string} */
export function formatCounts(counts) {
  let text = "";
  counts.forEach((count, index) => {
    let value = index > 2 ? count - counts[index - 2] : count;
    for (;;) {
      const digit = value & 31;
      value >>= 5;
      const done = digit & SIGN ? value === -1 : value === 0;
      text += String.fromCharCode((done ? digit : digit | MORE) + BASE);
      if (done) break;
    }
  });
  return text;
}
