/** Suggestions of the open image, one at a time: A accepts, C opens it for changes, D drops it. */

import { byId } from "../ui/dom.js";
import { fromRle } from "../core/bitmap.js";
import { classes, rgbOf } from "../core/classes.js";
import { showError } from "../ui/live_region.js";
import { S } from "../core/strings.js";

/** Whether there is a mask already: of a box that a file has, accepting it makes one. */
const hasMask = ({ area }) => area > 0;

export class Suggestions {
  /**
   * @param {import("../project/project.js").Project} project
   * @param {import("../app.js").App} app
   * @param {() => void} draw
   */
  constructor(project, app, draw) {
    Object.assign(this, { project, app, draw });
    this.bitmaps = new WeakMap(); // by suggestion
    this.taking = new Set(); // ids of those that wait for their class: a second A is about the next one
    byId("suggestion-accept").onclick = () => this.accept();
    byId("suggestion-change").onclick = () => this.change();
    byId("suggestion-drop").onclick = () => this.drop();
    byId("suggestion-all").onclick = () => this.acceptAll();
  }

  /** The one to decide about, or null while an object is being made. */
  get current() {
    return this.app.active ? null : (this.project.suggestions.find(({ id }) => !this.taking.has(id)) ?? null);
  }

  show() {
    const { length } = this.project.suggestions;
    const { current } = this;
    byId("suggestions").hidden = !current;
    if (current) byId("suggestion-text").textContent = S.suggestion(length, current.label, current.score);
  }

  accept() {
    return this.#take(this.current, false);
  }

  /** Make it the active object, so that clicks and the brush change it. */
  change() {
    return this.#take(this.current, true);
  }

  drop() {
    const { current } = this;
    if (current) this.app.act({ type: "decide", suggestion: current.id });
  }

  async acceptAll() {
    for (const suggestion of this.project.suggestions) await this.#take(suggestion, false);
  }

  /** What the stage shows of them: faint outlines, the one to decide about strong. */
  layers() {
    return this.project.suggestions.filter(hasMask).map((suggestion) => {
      if (!this.bitmaps.has(suggestion)) this.bitmaps.set(suggestion, fromRle(suggestion.rle));
      const strong = suggestion === this.current;
      return { bitmap: this.bitmaps.get(suggestion), colour: rgbOf(suggestion), alpha: strong ? 0.35 : 0, strong };
    });
  }

  /** Boxes without masks that files have: the one to decide about strong, the others faint. */
  boxes() {
    const { current } = this;
    return this.project.suggestions.filter((suggestion) => !hasMask(suggestion)).map((each) => ({ box: each.box, faint: each !== current }));
  }

  async #take(suggestion, active) {
    if (!suggestion || this.taking.has(suggestion.id)) return;
    const { id, rle, box, score, stability = null, label } = suggestion;
    let { class: number } = suggestion;
    const { session } = this.project;
    this.taking.add(id);
    try {
      if (number === null && label) number = (await this.project.addClass(label)).id;
    } catch (error) {
      return showError("suggestion-error", error);
    } finally {
      this.taking.delete(id);
    }
    if (session !== this.project.session) return; // another image was opened meanwhile; the suggestion is still there
    const step = hasMask(suggestion) ? { kind: "mask", rle, score, stability } : { kind: "box", box, candidate: null };
    const object = { class: number ?? classes.current, source: "suggestion", steps: [step] };
    this.app.act({ type: "decide", suggestion: id, object, active });
  }
}
