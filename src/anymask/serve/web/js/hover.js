/** The mask under the cursor. One question is under way at a time; of those that come meanwhile the newest is asked. */

export class Hover {
  /**
   * @param {(steps: object[]) => Promise<import("./answers.js").Answer>} ask
   * @param {() => void} changed told when there is another mask to draw
   */
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
    this.answer = null;
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
    if (!this.busy) this.#next();
  }

  /** Nothing is under the cursor any more. */
  clear() {
    this.turn++;
    this.wanted = null;
    if (!this.answer) return;
    this.answer = null;
    this.changed();
  }

  async #next() {
    this.busy = true;
    const { turn, wanted } = this;
    try {
      this.asked++;
      const answer = await this.ask(wanted.steps);
      if (turn === this.turn) {
        this.answer = answer;
        this.changed();
      }
    } catch {
      // A preview that fails is no news: the click on the same place will say why.
    }
    this.busy = false;
    if (this.wanted && this.wanted.key !== wanted.key) this.#next();
  }
}
