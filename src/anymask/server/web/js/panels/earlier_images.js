/** Images of earlier sessions, which this browser has with their objects. */

import { byId, el, iconButton } from "../ui/dom.js";
import { listSessions, removeSession } from "../net/storage.js";
import { S } from "../core/strings.js";

export class EarlierImages {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.section = byId("earlier");
    this.section.addEventListener("toggle", () => this.section.open && this.#list());
  }

  /** Show whether there are any besides the open one. @param {boolean} inProject projects have their own strip */
  async show(inProject) {
    const others = inProject ? [] : await this.#others();
    this.section.hidden = !others.length;
    if (this.section.open) this.#draw(others);
  }

  async #list() {
    this.#draw(await this.#others());
  }

  async #others() {
    const open = this.app.image?.id;
    return (await listSessions()).filter(({ id, history }) => id !== open && history.present.objects.length);
  }

  #draw(sessions) {
    byId("earlier-images").replaceChildren(
      ...sessions.map(({ id, name, history }) => {
        const label = S.earlierImage(name, history.present.objects.length);
        const open = el("button", { type: "button", class: "earlier-open", click: () => this.app.reopen(id) }, label);
        const remove = iconButton("remove", S.removeEarlier(name), async () => {
          if (!window.confirm(S.removeEarlierSure(name, history.present.objects.length))) return;
          await removeSession(id);
          this.#list();
        });
        return el("li", { class: "object" }, open, remove);
      }),
    );
  }
}
