/** What can be done with the selected objects, how accepted ones look, and the removal of overlaps. */

import { byId, el } from "../ui/dom.js";
import { S } from "../core/strings.js";

const FILL = "anymask.fill";

export class SelectionPanel {
  /**
   * @param {import("../selection.js").Selection} selection
   * @param {import("../core/view_state.js").ViewState} view
   * @param {() => void} draw
   */
  constructor(selection, view, draw) {
    this.selection = selection;
    const button = (id, text, click) => el("button", { type: "button", class: "button", id, click }, text);
    this.edit = button("selection-edit", S.editSelected, () => selection.open());
    this.merge = button("selection-merge", S.merge, () => selection.merge());
    this.remove = button("selection-remove", S.deleteSelected, () => selection.remove());
    this.count = el("p", { class: "facts", id: "selection-count" });
    byId("selection").append(this.count, el("div", { class: "row" }, this.edit, this.merge, this.remove));
    const fill = byId("fill");
    fill.value = view.fill = Number(localStorage.getItem(FILL) ?? view.fill);
    fill.addEventListener("input", () => {
      view.fill = Number(fill.value);
      localStorage.setItem(FILL, fill.value);
      draw();
    });
    byId("overlap-wins").append(...Object.entries(S.overlapWins).map(([value, text]) => el("option", { value }, text)));
    byId("overlap-remove").onclick = () => selection.removeOverlaps(byId("overlap-wins").value);
  }

  /** @param {boolean} active whether an object is being made or edited @param {number} objects how many there are */
  show(active, objects) {
    const { length } = this.selection.ids;
    byId("selection").hidden = active || !length;
    byId("active-body").hidden = !active && length > 0;
    this.count.textContent = S.message.selection(length);
    this.edit.disabled = length !== 1;
    this.merge.disabled = length < 2;
    byId("display").hidden = !objects;
  }
}
