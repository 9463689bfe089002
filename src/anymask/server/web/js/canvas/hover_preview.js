/** The mask under the cursor. One request is under way at a time; of the places passed meanwhile only the newest counts.
 *
 * While the cursor moves, the mask is from one run of the decoder; where it rests, the one that a click would give.
 */

const REST = 120; // milliseconds

export class HoverPreview {
  /**
   * @param {(steps: object[], thorough: boolean) => Promise<import("../core/bitmap.js").ObjectMask>} request
   * @param {() => void} changed called when there is another mask to draw
   */
  constructor(request, changed) {
    this.request = request;
    this.changed = changed;
    this.mask = null;
    this.maskKey = null; // key of the steps that gave the mask
    this.target = null; // {key, steps} under the cursor
    this.busy = false;
    this.turn = 0; // masks of earlier turns are not shown
    this.requests = 0;
  }

  /** The cursor is here now. @param {object[]} steps of the object after a click here */
  at(steps) {
    const key = JSON.stringify(steps);
    if (key === this.target?.key) return;
    this.target = { key, steps };
    clearTimeout(this.timer);
    if (!this.busy) this.#next();
  }

  /** Request the same mask once more: the server has encoded the visible part. */
  refresh() {
    if (this.target && !this.busy) this.#next();
  }

  /** The mask of exactly these steps, if it is here. */
  maskFor(steps) {
    return this.maskKey === JSON.stringify(steps) ? this.mask : null;
  }

  /** Nothing is under the cursor any more. */
  clear() {
    this.turn++;
    clearTimeout(this.timer);
    this.target = null;
    if (!this.mask) return;
    this.mask = this.maskKey = null;
    this.changed();
  }

  async #next(thorough = false) {
    this.busy = true;
    const { turn, target } = this;
    try {
      this.requests++;
      const mask = await this.request(target.steps, thorough);
      if (turn === this.turn) {
        this.mask = mask;
        this.maskKey = target.key;
        this.changed();
      }
    } catch {
      // A preview that fails is no news: the click on the same place will say why.
    }
    this.busy = false;
    if (this.target && this.target.key !== target.key) this.#next();
    else if (this.target && !thorough) this.timer = setTimeout(() => this.busy || this.#next(true), REST);
  }
}
