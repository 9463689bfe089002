/** The regions of everything mode, and how they lie in each other: parts and wholes at a place. */

import { fromRle, has } from "./bitmap.js";

export class Regions {
  constructor(image) {
    this.image = image;
    this.all = []; // {bitmap, rle, score, stability, point}
    this.parents = null;
    this.depth = 0; // 0 is the smallest part at a place, 1 what it is part of …
  }

  /** Set the masks so far, in place of the earlier ones. */
  set(masks, parents = null) {
    const earlier = new Map(this.all.map((region) => [region.rle.counts, region]));
    this.all = masks.map((mask) => earlier.get(mask.rle.counts) ?? { ...mask, bitmap: fromRle(mask.rle) });
    this.parents = parents;
  }

  /** Indices of the regions at a place, from the smallest part to the largest whole. */
  chain({ x, y }) {
    const [px, py] = [Math.floor(x), Math.floor(y)];
    const here = this.all.map((_, index) => index).filter((index) => has(this.all[index].bitmap, px, py));
    here.sort((a, b) => this.all[a].bitmap.area - this.all[b].bitmap.area);
    if (!this.parents || !here.length) return here;
    const chain = [];
    for (let index = here[0]; index >= 0; index = this.parents[index] ?? -1) chain.push(index);
    return chain;
  }

  /** The region at a place at the present depth. @returns {{region, index, level, levels} | null} */
  at(place) {
    const chain = this.chain(place);
    if (!chain.length) return null;
    const level = Math.min(this.depth, chain.length - 1);
    return { region: this.all[chain[level]], index: chain[level], level: level + 1, levels: chain.length };
  }

  /** Go towards wholes (1) or parts (-1) at a place. */
  changeLevel(by, place) {
    const last = this.chain(place).length - 1;
    this.depth = Math.max(0, Math.min(last, Math.min(this.depth, last) + by));
  }
}
