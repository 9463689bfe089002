/** The mask under the cursor. One question is under way at a time; of those that come meanwhile the newest is asked.
 *
 * While the cursor moves, one look of the model is shown; where it rests, what a click would choose.
 */

const REST = 120; // milliseconds

export class Hover {
  /**
   * @param {(steps: object[], thorough: boolean) => Promise<import("../core/bitmap.js").ObjectMask>} ask
   * @param {() => void} changed told when there is another mask to draw
   */
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
    this.answer = null;
    this.answered = null; // which question the answer is to
    this.wanted = null;
    this.busy = false;
    this.turn = 0; // answers of earlier turns are not shown
    this.asked = 0;
  }

  /** The cursor is here now. @param {object[]} steps what a click here would ask */
  at(steps) {
    const key = JSON.stringify(steps);
    if (key === this.wanted?.key) return;
    this.wanted = { key, steps };
    clearTimeout(this.timer);
    if (!this.busy) this.#next();
  }

  /** Ask the same once more: the server sees more now. */
  again() {
    if (this.wanted && !this.busy) this.#next();
  }

  /** The answer to exactly these steps, if it is here. */
  to(steps) {
    return this.answered === JSON.stringify(steps) ? this.answer : null;
  }

  /** Nothing is under the cursor any more. */
  clear() {
    this.turn++;
    clearTimeout(this.timer);
    this.wanted = null;
    if (!this.answer) return;
    this.answer = this.answered = null;
    this.changed();
  }

  async #next(thorough = false) {
    this.busy = true;
    const { turn, wanted } = this;
    try {
      this.asked++;
      const answer = await this.ask(wanted.steps, thorough);
      if (turn === this.turn) {
        this.answer = answer;
        this.answered = wanted.key;
        this.changed();
      }
    } catch {
      // A preview that fails is no news: the click on the same place will say why.
    }
    this.busy = false;
    if (this.wanted && this.wanted.key !== wanted.key) this.#next();
    else if (this.wanted && !thorough) this.timer = setTimeout(() => this.busy || this.#next(true), REST);
  }
}
