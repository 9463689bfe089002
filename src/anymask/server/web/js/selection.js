/** The selected objects, and what is done with all of them at once. */

import { has, iou, overlap, resized, toRle, union } from "./core/bitmap.js";
import { say } from "./ui/live_region.js";
import { S } from "./core/strings.js";

const SAME = 0.8; // IoU from which a click would only make an object's own mask again

export class Selection {
  /**
   * @param {import("./app.js").App} app
   * @param {import("./core/view_state.js").ViewState} view
   * @param {() => void} changed called when others are selected
   */
  constructor(app, view, changed) {
    this.app = app;
    this.view = view;
    this.changed = changed;
  }

  /** Ids of the selected objects that are still there, in the order of the list. */
  get ids() {
    return this.app.state.objects.map((object) => object.id).filter((id) => this.view.selected.has(id));
  }

  /** Select one object; with `more`, add it to the others or take it from them. */
  select(id, more = false) {
    const { selected } = this.view;
    if (!more) selected.clear();
    if (more && selected.has(id)) selected.delete(id);
    else selected.add(id);
    const { ids } = this;
    say(S.message.selection(ids.length));
    this.changed();
  }

  /** Select all from the one that was selected before to this one, in the order of the list. */
  selectTo(id) {
    const order = this.app.state.objects.map((object) => object.id);
    const last = [...this.view.selected].at(-1) ?? id;
    const [from, to] = [order.indexOf(last), order.indexOf(id)].sort((a, b) => a - b);
    for (const each of order.slice(Math.max(0, from), to + 1)) this.view.selected.add(each);
    say(S.message.selection(this.ids.length));
    this.changed();
  }

  /** @returns {boolean} whether anything was selected */
  clear() {
    const had = this.view.selected.size > 0;
    this.view.selected.clear();
    if (had) this.changed();
    return had;
  }

  /** Delete the selected objects, or the active one. */
  remove() {
    const ids = this.#orActive();
    if (!ids.length) return say(S.message.nothingToDelete);
    this.view.selected.clear();
    this.app.act({ type: "remove", ids });
  }

  /** Open the selected object with its prompts. @returns {boolean} whether exactly one was selected */
  open() {
    const { ids } = this;
    if (ids.length !== 1) return false;
    this.view.selected.clear();
    return this.app.act({ type: "open", id: ids[0] });
  }

  /** Make one object of the selected ones. */
  async merge() {
    const { app, ids } = this;
    if (ids.length < 2) return say(S.message.mergeNeedsTwo);
    const masks = await this.#masks(ids);
    const others = masks.slice(1).reduce(union);
    this.view.selected = new Set([ids[0]]);
    app.act({ type: "merge", ids, edit: { kind: "add", rle: toRle(others) } });
    say(S.message.merged(ids.length));
  }

  /**
   * Take away what overlaps.
   *
   * @param {"newer" | "smaller" | "selected"} wins which of two objects keeps the pixels
   */
  async removeOverlaps(wins) {
    const { app } = this;
    const { objects } = app.state;
    const bitmaps = await this.#masks(objects.map((object) => object.id));
    const before = (a, b) => {
      if (wins === "smaller") return bitmaps[a].area - bitmaps[b].area;
      const [chosenA, chosenB] = [a, b].map((index) => Number(this.view.selected.has(objects[index].id)));
      return wins === "selected" && chosenA !== chosenB ? chosenB - chosenA : b - a;
    };
    const order = objects.map((_, index) => index).sort(before);
    const edits = {};
    order.forEach((index, place) => {
      const above = order.slice(0, place).filter((other) => overlap(bitmaps[index], bitmaps[other]));
      if (!above.length) return;
      const cut = above.map((other) => bitmaps[other]).reduce(union);
      edits[objects[index].id] = { kind: "cut", rle: toRle(cut) };
    });
    const count = Object.keys(edits).length;
    if (count) app.act({ type: "editEach", edits });
    say(S.message.overlapsRemoved(count));
  }

  /** The topmost accepted and visible object at a pixel, or null. */
  objectAt(pixel) {
    if (!pixel) return null;
    const { app } = this;
    return (
      app.state.objects.findLast(
        (object) =>
          object.visible && object.id !== app.state.active && has(app.masks.latestBitmap(object) ?? NOTHING, pixel.x, pixel.y),
      ) ?? null
    );
  }

  /** Whether a mask is the one that an object has already, so that a click there selects it. */
  isMaskOf(mask, object) {
    const latest = this.app.masks.latest(object)?.bitmap;
    if (!latest) return false;
    const bitmap = resized(latest, mask.bitmap.width, mask.bitmap.height); // a preview may be smaller
    const [small, large] = [mask.bitmap.area, bitmap.area].sort((a, b) => a - b);
    return small >= SAME * large && iou(mask.bitmap, bitmap) >= SAME;
  }

  #orActive() {
    const { ids } = this;
    return ids.length || this.app.state.active === null ? ids : [this.app.state.active];
  }

  async #masks(ids) {
    const { app } = this;
    const objects = ids.map((id) => app.state.objects.find((object) => object.id === id));
    return (await Promise.all(objects.map((object) => app.masks.fetch(object)))).map((mask) => mask.bitmap);
  }
}

const NOTHING = { x: 0, y: 0, columns: 0, rows: 0, data: new Uint8Array(0) };
