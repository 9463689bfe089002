/** The classes of the open project: names, colours and keys by their number. Without a project there are none. */

import { COLOURS } from "./palette.js";

/** @typedef {{id: number, name: string, colour: string, key: string | null, objects: number}} Class */

const NONE = [150, 150, 150]; // colour of objects without a class

export const classes = {
  /** @type {boolean} Whether a project is open. */
  inUse: false,
  /** @type {Class[]} */
  list: [],
  /** @type {Record<string, number>} By the number of a class that was merged: the class it became. */
  merged: {},
  /** @type {number | null} The class of the next object: the one used last. */
  current: null,
  /** How often the list was set: a response that was requested before the last time is older than the list. */
  version: 0,

  /** @param {Class[]} list @param {Record<string, number>} merged */
  set(list, merged) {
    this.version++;
    this.inUse = true;
    this.list = list;
    this.merged = merged;
    this.current = this.find(this.current)?.id ?? null;
  },

  /** The class of a number, also of one that was merged. @returns {Class | null} */
  find(id) {
    let now = id;
    for (let n = 0; n < 100 && now in this.merged; n++) now = this.merged[now];
    return this.list.find((each) => each.id === now) ?? null;
  },

  /** The class of an object. @returns {Class | null} */
  of(object) {
    return this.find(object.class ?? null);
  },
};

/** The colour of an object: its class's, or its own without a project. @returns {[number, number, number]} */
export function rgbOf(object) {
  if (!classes.inUse) return COLOURS[object.colour % COLOURS.length];
  const match = classes.of(object);
  return match ? rgbOfHex(match.colour) : NONE;
}

export function rgbOfHex(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
