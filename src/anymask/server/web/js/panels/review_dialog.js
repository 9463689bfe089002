/** Review: a contact sheet of the objects of a class, sorted; a click opens the image at the object. */

import { hideError, showError } from "../ui/live_region.js";
import { byId, el } from "../ui/dom.js";
import { classes } from "../core/classes.js";
import { S } from "../core/strings.js";

const PAGE = 120;

export class ReviewDialog {
  /** @param {import("../project/project.js").Project} project @param {(object: object) => void} open an object of the sheet */
  constructor(project, open) {
    this.project = project;
    this.open_ = open;
    this.dialog = byId("review-dialog");
    byId("review-close").onclick = () => this.dialog.close();
    byId("review-sort").append(...Object.entries(S.reviewSorts).map(([value, text]) => el("option", { value }, text)));
    byId("review-class").onchange = byId("review-sort").onchange = () => this.#load();
    byId("review-more").onclick = () => this.#load(true);
  }

  open() {
    this.#listClasses();
    this.dialog.showModal();
    this.#load();
    const list = () => this.#listClasses();
    this.project.readClasses().then(list, (error) => showError("review-error", error));
  }

  #listClasses() {
    const select = byId("review-class");
    const value = select.value;
    select.replaceChildren(
      el("option", { value: "" }, S.anyClass),
      ...classes.list.map(({ id, name, objects }) => el("option", { value: String(id) }, S.classWithCount(name, objects))),
    );
    select.value = value;
  }

  async #load(more = false) {
    hideError("review-error");
    const sheet = byId("review-sheet");
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const [sort, order] = byId("review-sort").value.split(" ");
    const offset = more ? sheet.children.length : 0;
    try {
      const filter = { class: byId("review-class").value, sort, order, offset, limit: PAGE };
      const { total, objects } = await this.project.api.review(this.project.id, filter);
      if (turn !== this.turn) return;
      const cells = objects.map((object) => this.#cell(object));
      if (more) sheet.append(...cells);
      else sheet.replaceChildren(...cells);
      byId("review-count").textContent = S.reviewCount(total);
      byId("review-more").hidden = sheet.children.length >= total;
    } catch (error) {
      showError("review-error", error);
    }
  }

  #cell(object) {
    const label = S.reviewLabel(object, classes.find(object.class)?.name ?? S.withoutClass);
    const open = () => {
      this.dialog.close();
      this.open_(object);
    };
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "review-cell", title: label, "aria-label": label, click: open },
        el("img", { src: object.thumbnail, alt: "", loading: "lazy" }),
        el("span", {}, S.reviewValue(object)),
      ),
    );
  }
}
