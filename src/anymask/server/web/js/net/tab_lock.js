/** Which tab works on an image that belongs to no project: one at a time, the others show what it does.
 *
 * A tab renews its lock every two seconds; one that is closed, or asleep, loses it.
 */

const RENEW = 2000; // milliseconds
const EXPIRES = 7000;
const TAB = crypto.getRandomValues(new Uint32Array(2)).join("-");

export class TabLock {
  /**
   * @param {string} name of what is locked
   * @param {(mine: boolean) => void} changed
   */
  constructor(name, changed) {
    this.key = `anymask.lock.${name}`;
    this.changed = changed;
    this.mine = false;
    this.listen = (event) => event.key === this.key && this.#look();
    this.leave = () => this.release();
    window.addEventListener("storage", this.listen);
    window.addEventListener("pagehide", this.leave);
    this.timer = setInterval(() => this.#look(), RENEW);
    this.#look();
  }

  /** Take it, whoever has it. */
  take() {
    this.#write();
    this.#set(true);
  }

  release() {
    clearInterval(this.timer);
    window.removeEventListener("storage", this.listen);
    window.removeEventListener("pagehide", this.leave);
    if (this.mine && this.#holder?.tab === TAB) localStorage.removeItem(this.key);
  }

  get #holder() {
    try {
      const holder = JSON.parse(localStorage.getItem(this.key));
      return holder && Date.now() - holder.time < EXPIRES ? holder : null;
    } catch {
      return null;
    }
  }

  #look() {
    const holder = this.#holder;
    const mine = !holder || holder.tab === TAB;
    if (mine) this.#write();
    this.#set(mine);
  }

  #set(mine) {
    const before = this.mine;
    this.mine = mine;
    if (before !== mine) this.changed(mine);
  }

  #write() {
    try {
      localStorage.setItem(this.key, JSON.stringify({ tab: TAB, time: Date.now() }));
    } catch {
      // without room there is no lock, and no work is refused
    }
  }
}
