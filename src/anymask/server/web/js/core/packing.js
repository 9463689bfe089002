/** A history as plain JSON in which nothing is written twice: states share their objects, and objects their steps. */

/** @param {{past: object[], present: object, future: object[]}} history @returns {object} */
export function pack({ past, present, future }) {
  const [steps, edits, objects] = [new Table(), new Table(), new Table()];
  const packObject = (object) => ({
    ...object,
    steps: object.steps.map((step) => steps.index(step)),
    edits: object.edits.map((edit) => edits.index(edit)),
  });
  const packState = (state) => ({
    ...state,
    objects: state.objects.map((object) => objects.index(object, packObject)),
    before: state.before && objects.index(state.before, packObject),
  });
  const states = [...past, present, ...future].map(packState);
  return { at: past.length, states, objects: objects.values, steps: steps.values, edits: edits.values };
}

/** @returns {{past: object[], present: object, future: object[]}} that shares what was shared */
export function unpack({ at, states, objects, steps, edits }) {
  const whole = objects.map((object) => ({
    ...object,
    steps: object.steps.map((index) => steps[index]),
    edits: object.edits.map((index) => edits[index]),
  }));
  const all = states.map((state) => ({
    ...state,
    objects: state.objects.map((index) => whole[index]),
    before: state.before === null ? null : whole[state.before],
  }));
  return { past: all.slice(0, at), present: all[at], future: all.slice(at + 1) };
}

/** Values by identity, each with its index. */
class Table {
  constructor() {
    this.values = [];
    this.indices = new Map();
  }

  index(value, write = (plain) => plain) {
    if (!this.indices.has(value)) {
      const written = write(value);
      this.indices.set(value, this.values.push(written) - 1);
    }
    return this.indices.get(value);
  }
}
