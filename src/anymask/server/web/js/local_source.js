/** An image that belongs to no project: this browser has its file and its objects. */

import { TabLock } from "./net/tab_lock.js";
import { loadSession, saveSession, setCurrentImage } from "./net/storage.js";
import { say } from "./ui/live_region.js";
import { S } from "./core/strings.js";

export class LocalSource {
  begin = {};

  /**
   * @param {import("./net/api.js").Api} api
   * @param {string} id of the image
   * @param {File | null} file
   * @param {object} page locked(text | null) whether another tab works on it; replaced(history) by what that one did
   */
  constructor(api, id, file, page) {
    Object.assign(this, { api, id, file, page });
    this.channel = new BroadcastChannel("anymask");
    this.channel.onmessage = ({ data }) => data === id && !this.writable && this.#follow();
    this.lock = new TabLock(id, (mine) => this.#show(mine));
  }

  get writable() {
    return this.lock.mine;
  }

  async save({ image, history }) {
    setCurrentImage(image.id);
    if (!this.writable) return;
    await saveSession(image, history).catch(() => say(S.storageFull));
    this.channel.postMessage(image.id);
  }

  /** Work here instead of in the other tab. */
  async takeOver() {
    await this.#follow();
    this.lock.take();
  }

  async resend() {
    if (!this.file) return false;
    await this.api.upload(this.file, () => {});
    return true;
  }

  /** Show whether another tab works on the image. */
  announce() {
    this.page.locked(this.writable ? null : S.lockedByTab);
  }

  close() {
    this.lock.release();
    this.channel.close();
  }

  #show(mine) {
    if (!this.lock) return; // it is being made
    this.announce();
    if (mine) this.#follow();
  }

  async #follow() {
    const session = await loadSession(this.id);
    if (session) this.page.replaced(this, session.history);
  }
}
