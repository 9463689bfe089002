/** The list of classes: names, colours and keys are changed in one place; two classes can become one. */

import { hideError, showError } from "../ui/live_region.js";
import { byId, el, iconButton } from "../ui/dom.js";
import { classes } from "../core/classes.js";
import { S } from "../core/strings.js";

export class ClassDialog {
  /** @param {import("../project/project.js").Project} project */
  constructor(project) {
    this.project = project;
    this.dialog = byId("class-dialog");
    byId("class-close").onclick = () => this.dialog.close();
    byId("classes-required").onchange = (event) => {
      const { api, id } = project;
      this.#try(() => api.change(id, { classes_required: event.target.checked }));
    };
    byId("class-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const field = byId("class-new");
      const name = field.value.trim();
      if (!name) return;
      field.value = ""; // at once: when the class is there, the next name may be half typed
      this.#try(() => this.project.addClass(name)).then((added) => added || (field.value ||= name));
    });
  }

  open() {
    hideError("class-dialog-error");
    byId("classes-required").checked = this.project.about.classes_required;
    this.show();
    this.dialog.showModal();
    this.project.readClasses().catch((error) => showError("class-dialog-error", error));
  }

  /** Show the classes as they are now, except while a name is being typed. */
  show() {
    const { activeElement: field } = document;
    if (byId("class-rows").contains(field) && field.type === "text" && field.value !== field.defaultValue) return;
    this.#draw();
  }

  #draw() {
    const focused = this.dialog.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    byId("class-rows").replaceChildren(...classes.list.map((each) => this.#row(each)));
    if (focused) this.dialog.querySelector(`[data-part="${focused}"]`)?.focus();
  }

  #row({ id, name, colour, key, objects }) {
    const { api, id: project } = this.project;
    const change = (settings) => this.#try(() => api.changeClass(project, id, settings));
    const others = classes.list.filter((each) => each.id !== id);
    const part = (about) => ({ "data-part": `${about}-${id}` });
    const merge = el(
      "select",
      {
        class: "field",
        "aria-label": S.mergeInto(name),
        disabled: !others.length,
        ...part("merge"),
        change: (event) => event.target.value && this.#try(() => api.mergeClass(project, id, Number(event.target.value))),
      },
      el("option", { value: "" }, S.mergeIntoShort),
      ...others.map((each) => el("option", { value: String(each.id) }, each.name)),
    );
    const keys = ["", ..."123456789"].map((each) => el("option", { value: each }, each || S.noKey));
    const keyField = el(
      "select",
      { class: "field", "aria-label": S.keyOf(name), ...part("key"), change: (event) => change({ key: event.target.value || null }) },
      ...keys,
    );
    keyField.value = key ?? "";
    return el(
      "li",
      { class: "class-row" },
      el("input", { type: "color", value: colour, "aria-label": S.colourOfClass(name), ...part("colour"), change: (event) => change({ colour: event.target.value }) }),
      el("input", { class: "field", value: name, maxLength: 80, "aria-label": S.nameOf(name), ...part("name"), change: (event) => change({ name: event.target.value.trim() }) }),
      keyField,
      el("span", { class: "quiet class-count" }, S.objectCount(objects)),
      merge,
      iconButton("remove", S.remove(name), () => this.#try(() => api.removeClass(project, id)), { disabled: objects > 0, ...part("remove") }),
    );
  }

  /** @returns {Promise<boolean>} whether it could be done */
  async #try(act) {
    hideError("class-dialog-error");
    try {
      await act();
      await this.project.readClasses();
      return true;
    } catch (error) {
      showError("class-dialog-error", error);
      return false;
    } finally {
      this.#draw();
    }
  }
}
