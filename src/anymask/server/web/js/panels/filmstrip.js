/** The images of the project as a strip of thumbnails. Only those in sight exist: ten thousand take no more than twenty. */

import { arrange, byId, el } from "../ui/dom.js";
import { S } from "../core/strings.js";

const PAGE = 100; // images of one request
const AHEAD = 3; // thumbnails beyond the edges of the strip

export class Filmstrip {
  /** @param {import("../project/project.js").Project} project */
  constructor(project) {
    this.project = project;
    this.strip = byId("strip");
    this.track = byId("strip-track");
    this.total = 0;
    this.pages = new Map(); // by index of the page: its images, or the promise of them
    this.tiles = new Map(); // by number of the image
    this.turn = 0;
    this.strip.addEventListener("scroll", () => this.#show());
    new ResizeObserver(() => this.#show()).observe(this.strip);
    byId("filter-state").append(
      ...Object.entries(S.filterStates).map(([value, text]) => el("option", { value }, text)),
    );
    byId("filter-state").onchange = byId("filter-class").onchange = () => this.#filter();
    project.upcoming = (number) => this.#after(number, 2);
  }

  /** List the images anew. */
  async reload() {
    const turn = ++this.turn;
    this.pages.clear();
    const { total, images } = await this.project.api.images(this.project.id, 0, PAGE, this.project.filter);
    if (turn !== this.turn) return;
    this.total = total;
    this.pages.set(0, images);
    this.#show();
    this.reveal();
  }

  /** One image is another one now. @param {object | null} image null to show only which one is open */
  update(image) {
    for (const images of this.pages.values()) {
      const at = image && Array.isArray(images) ? images.findIndex((each) => each.number === image.number) : -1;
      if (at >= 0) images[at] = { ...images[at], ...image };
    }
    this.#show();
    if (!image) this.reveal();
  }

  /** Scroll to the open image, if its place is known. */
  reveal() {
    const index = this.#indexOf(this.project.number);
    if (index === null) return;
    const left = index * this.#step();
    const { scrollLeft, clientWidth } = this.strip;
    if (left < scrollLeft || left + this.#step() > scrollLeft + clientWidth) {
      this.strip.scrollLeft = left - (clientWidth - this.#step()) / 2;
    }
  }

  showClasses(list) {
    const select = byId("filter-class");
    const value = select.value;
    select.replaceChildren(
      el("option", { value: "" }, S.anyClass),
      ...list.map(({ id, name }) => el("option", { value: String(id) }, name)),
      el("option", { value: "none" }, S.withoutClass),
    );
    select.value = value;
  }

  #filter() {
    const [state, number] = [byId("filter-state").value, byId("filter-class").value];
    this.project.filter = { ...(state ? { state } : {}), ...(number ? { class: number } : {}) };
    this.strip.scrollLeft = 0;
    this.reload();
  }

  #step() {
    return parseFloat(getComputedStyle(this.strip).getPropertyValue("--tile")) * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }

  #show() {
    const step = this.#step();
    this.track.style.width = `${this.total * step}px`;
    const first = Math.max(0, Math.floor(this.strip.scrollLeft / step) - AHEAD);
    const last = Math.min(this.total - 1, Math.ceil((this.strip.scrollLeft + this.strip.clientWidth) / step) + AHEAD);
    const tiles = [];
    for (let index = first; index <= last; index++) {
      const images = this.#page(Math.floor(index / PAGE));
      const image = Array.isArray(images) ? images[index % PAGE] : null;
      if (image) tiles.push(this.#tile(image, index * step));
    }
    const present = new Set(tiles.map((tile) => tile.number));
    for (const number of this.tiles.keys()) if (!present.has(number)) this.tiles.delete(number);
    arrange(this.track, tiles.map((tile) => tile.element));
    byId("strip-empty").hidden = this.total > 0;
  }

  #page(index) {
    if (!this.pages.has(index)) {
      const turn = this.turn;
      const loading = this.project.api.images(this.project.id, index * PAGE, PAGE, this.project.filter).then(({ images }) => {
        if (turn !== this.turn) return;
        this.pages.set(index, images);
        this.#show();
      });
      loading.catch(() => this.pages.delete(index));
      this.pages.set(index, loading);
    }
    return this.pages.get(index);
  }

  #tile(image, left) {
    const { number } = image;
    if (!this.tiles.has(number)) this.tiles.set(number, new Tile(number, (open) => this.project.open(open)));
    const tile = this.tiles.get(number);
    tile.show(image, number === this.project.number, this.project.api.thumbnail(this.project.id, image), left, this.project.api.client);
    return tile;
  }

  #indexOf(number) {
    for (const [page, images] of this.pages) {
      const at = Array.isArray(images) ? images.findIndex((image) => image.number === number) : -1;
      if (at >= 0) return page * PAGE + at;
    }
    return null;
  }

  #after(number, count) {
    const index = this.#indexOf(number);
    if (index === null) return [];
    const numbers = [];
    for (let n = index + 1; n <= index + count; n++) {
      const images = this.pages.get(Math.floor(n / PAGE));
      const image = Array.isArray(images) ? images[n % PAGE] : null;
      if (image) numbers.push(image.number);
    }
    return numbers;
  }
}

class Tile {
  constructor(number, open) {
    this.number = number;
    this.picture = el("img", { alt: "", draggable: false, decoding: "async" });
    this.badge = el("span", { class: "tile-badge" });
    this.name = el("span", { class: "tile-name" });
    this.element = el("button", { type: "button", class: "tile", click: () => open(number) }, this.picture, this.badge, this.name);
  }

  show(image, open, thumbnail, left, client) {
    const lockedByOther = Boolean(image.lock && image.lock.client !== client.slice(0, 8));
    this.element.style.left = `${left}px`;
    if (open) this.element.setAttribute("aria-current", "true");
    else this.element.removeAttribute("aria-current");
    const key = JSON.stringify([image.state, image.objects, image.suggestions, lockedByOther, image.problem, image.revision]);
    if (key === this.key) return;
    this.key = key;
    if (!image.problem && this.picture.getAttribute("src") !== thumbnail) this.picture.src = thumbnail;
    this.element.dataset.state = image.problem ? "problem" : image.state;
    this.element.classList.toggle("in-other-hands", lockedByOther);
    this.badge.textContent = image.problem ? "!" : S.stateSigns[image.state];
    this.name.textContent = image.name.split("/").pop();
    const label = S.tile({ ...image, lock: lockedByOther ? image.lock : null });
    this.element.title = label;
    this.element.setAttribute("aria-label", label);
  }
}
