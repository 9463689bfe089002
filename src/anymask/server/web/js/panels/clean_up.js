/** The clean-up of small holes and islands: two sizes, what they would change, and a button that changes it. */

import { el } from "../ui/dom.js";
import { S } from "../core/strings.js";

const SIZES = [0, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000];

export class CleanUp {
  /**
   * @param {(sizes: {holes: number, islands: number} | null) => {filled: number[], dropped: number[]}} preview
   * @param {(action: object) => void} act
   */
  constructor(preview, act) {
    this.preview = preview;
    this.at = { holes: 4, islands: 4 }; // indices of SIZES
    this.mask = null;
    this.facts = el("p", { class: "facts", id: "clean-facts" });
    this.apply = el(
      "button",
      { type: "button", class: "button", id: "clean-apply", click: () => act({ type: "edit", edit: { kind: "clean", ...this.#sizes() } }) },
      S.apply,
    );
    this.element = el(
      "details",
      { class: "clean", toggle: () => this.#update() },
      el("summary", {}, S.clean),
      this.#slider("holes", S.holes),
      this.#slider("islands", S.islands),
      this.facts,
      this.apply,
    );
  }

  close() {
    this.element.open = false;
  }

  /** Show what would change in a mask. @param {object | null} mask of the active object */
  show(mask) {
    this.mask = mask;
    if (this.element.open) this.#update();
  }

  #update() {
    const { filled, dropped } = this.preview(this.element.open && this.mask ? this.#sizes() : null);
    this.facts.textContent = S.cleanPreview(filled, dropped);
    this.apply.disabled = !filled.length && !dropped.length;
  }

  #slider(name, label) {
    const text = () => S.pixels(SIZES[this.at[name]]);
    const output = el("output", {}, text());
    const input = el("input", {
      type: "range",
      min: 0,
      max: SIZES.length - 1,
      value: this.at[name],
      id: `clean-${name}`,
      "aria-valuetext": text(),
      input: () => {
        this.at[name] = Number(input.value);
        output.textContent = text();
        input.setAttribute("aria-valuetext", text());
        this.#update();
      },
    });
    return el("label", {}, label, output, input);
  }

  #sizes() {
    return { holes: SIZES[this.at.holes], islands: SIZES[this.at.islands] };
  }
}
