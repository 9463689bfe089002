/** Everything mode: regions come in while the server searches; one is highlighted, a click adds it. */

import { hideError, say, sayFailure, showError } from "./ui/live_region.js";
import { iou } from "./core/bitmap.js";
import { byId } from "./ui/dom.js";
import { Regions } from "./core/regions.js";
import { S } from "./core/strings.js";

const SAME = 0.999; // IoU from which a prompt gives the mask of a region

export class Everything {
  /**
   * @param {import("./app.js").App} app
   * @param {() => void} draw
   * @param {() => void} changed called when the mode begins or ends, or there are more regions
   */
  constructor(app, draw, changed) {
    this.app = app;
    this.draw = draw;
    this.changed = changed;
    this.on = false;
    this.regions = null;
    this.job = null;
    this.running = false;
    this.place = null;
    byId("regions-stop").onclick = () => this.stop();
    byId("regions-again").onclick = () => this.#search();
    byId("regions-all").onclick = () => this.addAll();
    byId("regions-close").onclick = () => this.leave();
  }

  /** Enter, or leave. */
  toggle() {
    if (this.on) this.leave();
    else this.enter();
  }

  enter() {
    if (!this.app.image) return;
    this.on = true;
    this.app.act({ type: "accept" });
    this.#show();
    if (!this.regions) this.#search();
  }

  leave() {
    this.on = false;
    this.place = null;
    this.#show();
  }

  /** Forget the regions of the image before. */
  reset() {
    this.stop();
    this.regions = null;
    this.leave();
  }

  stop() {
    if (this.running && this.job) this.app.api.cancel(this.job).catch(sayFailure);
  }

  /** The region at the cursor, or null. */
  get current() {
    return this.on && this.place && this.regions ? this.regions.at(this.place) : null;
  }

  hover(place) {
    this.place = place;
    this.draw();
  }

  /** Towards parts (-1) or wholes (1). */
  changeLevel(by, place = this.place) {
    if (!place || !this.regions) return;
    this.place = place;
    this.regions.changeLevel(by, place);
    this.#announce();
    this.draw();
  }

  /** Make the region at a place an object. */
  async add(place) {
    this.place = place;
    const { current } = this;
    if (!current) return;
    const object = await this.#objectOf(current.region);
    this.app.act({ type: "add", objects: [object] });
    this.#announce();
  }

  /** Make all regions objects, but those that are objects already. */
  async addAll() {
    const { added, duplicates } = await this.app.addNew(this.regions.all.map((region) => ({ steps: [asStep(region)] })));
    this.leave();
    say(S.added(added, duplicates));
  }

  #announce() {
    const { current } = this;
    if (!current) return;
    const { bitmap, score } = current.region;
    say(S.region(bitmap.area / (bitmap.width * bitmap.height), score, current.level, current.levels));
  }

  /** A region as the prompt that gives the very same mask, so that it stays editable; else as it is. */
  async #objectOf(region) {
    if (!region.point) return { steps: [asStep(region)] };
    const [x, y] = region.point.map(Math.floor);
    const step = { kind: "point", x, y, label: 1, candidate: null };
    try {
      const all = await this.app.masks.candidates([step]);
      const index = all.findIndex((mask) => iou(mask.bitmap, region.bitmap) >= SAME);
      if (index >= 0) return { steps: [{ ...step, candidate: index }] };
    } catch (error) {
      sayFailure(error);
    }
    return { steps: [asStep(region)] };
  }

  async #search() {
    const { app } = this;
    const { image } = app;
    const regions = (this.regions = new Regions(image));
    this.running = true;
    this.progress = null;
    hideError("regions-error");
    this.#show();
    let masks = [];
    try {
      const { job } = await app.withImage(() => app.api.everything(image.id));
      this.job = job;
      await app.api.events(job, (name, data) => {
        if (this.regions !== regions) return;
        if (name === "masks") regions.set((masks = [...masks, ...data.masks.map(regionOf)]));
        else if (name === "progress") this.progress = data.planned ? data.asked / data.planned : null;
        else if (data.result)
          regions.set(
            data.result.masks.map(regionOf),
            data.result.masks.map((mask) => mask.parent ?? -1),
          );
        this.lastEvent = name;
        this.#show();
        if (name === "failed") showError("regions-error", Object.assign(new Error(data.problem.detail), { expected: true }));
      });
    } catch (error) {
      if (this.regions === regions) this.regions = null;
      showError("regions-error", error);
    }
    if (this.regions !== regions && this.regions) return;
    this.running = false;
    this.#show();
    if (this.regions && this.on) say(byId("regions-text").textContent);
  }

  #show() {
    const { on, running } = this;
    const count = this.regions?.all.length ?? 0;
    byId("regions").hidden = !on;
    byId("tool-everything")?.setAttribute("aria-pressed", String(on));
    const done = ["cancelled", "stopped", "interrupted"].includes(this.lastEvent) ? S.everythingStopped : S.everythingDone;
    byId("regions-text").textContent = running ? S.everythingRunning(count) : done(count);
    const bar = byId("regions-bar");
    if (running && this.progress === null) bar.removeAttribute("value");
    else bar.value = running ? this.progress : 1;
    byId("regions-stop").hidden = !running;
    byId("regions-again").hidden = running;
    byId("regions-all").disabled = running || !count;
    this.changed();
  }
}

function regionOf({ rle, score, stability, point }) {
  return { rle, score, stability, point: point ?? null };
}

function asStep({ rle, score, stability }) {
  return { kind: "mask", rle, score, stability };
}
