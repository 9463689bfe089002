/** What the person did, and nothing else: objects with their steps, as plain values that never change in place.
 *
 * Masks are not part of it; they follow from the steps (see mask_cache.js). So undo and redo are a matter of keeping old
 * states, and the whole of it survives as JSON.
 *
 * A step is {kind: "point", x, y, label, candidate}, {kind: "box", box, candidate}, {kind: "mask", rle, score} or
 * {kind: "group", points, labels, group, own}: of points that are on several objects, the group on one of them, by its
 * index, and its own points. `candidate` or `alternative` is a number where another mask than anymask's own was picked
 * (see alternatives.js); `window` is what was visible, where the view was zoomed in. An edit is
 * {kind: "brush" | "erase", path, size}, {kind: "clean", holes, islands}, or {kind: "add" | "cut", rle}, which adds or
 * removes the pixels of another mask. Edits apply after all steps, in order.
 */

import { withoutPick } from "./alternatives.js";
import { COLOURS } from "./palette.js";

const DEPTH = 400;

const EMPTY = Object.freeze({ objects: [], active: null, before: null, next: 1 });

/** A fresh history. */
export function start(present = EMPTY) {
  return { past: [], present, future: [] };
}

/** Apply an action; undo and redo are actions too. @returns the same history if nothing changed */
export function reduce(history, action) {
  const { past, present, future } = history;
  if (action.type === "undo") {
    if (!past.length) return history;
    return { past: past.slice(0, -1), present: past[past.length - 1], future: [present, ...future] };
  }
  if (action.type === "redo") {
    if (!future.length) return history;
    return { past: [...past, present], present: future[0], future: future.slice(1) };
  }
  const changed = change(present, action);
  if (changed === present) return history;
  return { past: [...past, present].slice(-DEPTH), present: changed, future: [] };
}

/** The object that is being worked on, or null. */
export function activeObject(state) {
  return state.objects.find((object) => object.id === state.active) ?? null;
}

/** Whether an object is made of nothing but clicks, at least two of which include. */
export function canSplit({ steps, edits }) {
  return (
    !edits.length &&
    steps.every((step) => step.kind === "point") &&
    steps.filter((step) => step.label === 1).length > 1
  );
}

function change(state, action) {
  const act = ACTIONS[action.type];
  if (!act) throw new Error(`no action is called ${action.type}`);
  return act(state, action);
}

const ACTIONS = {
  step(state, { step, begin: properties }) {
    const opened = state.active === null ? begin(state, properties) : state;
    return onActive(opened, (object) => ({
      ...object,
      steps: [...object.steps.filter((other) => step.kind !== "box" || other.kind !== "box"), step],
    }));
  },
  moveStep(state, { index, x, y }) {
    return onActive(state, (object) => ({
      ...object,
      steps: object.steps.map((step, n) => (n === index ? { ...withoutPick(step), x, y } : step)),
    }));
  },
  removeStep(state, { index }) {
    const object = activeObject(state);
    if (!object?.steps[index]) return state;
    if (object.steps.length === 1 && !object.edits.length) return ACTIONS.remove(state, { id: object.id });
    return onActive(state, (each) => ({ ...each, steps: each.steps.filter((_, n) => n !== index) }));
  },
  pick(state, { pick }) {
    const object = activeObject(state);
    const last = object?.steps[object.steps.length - 1];
    if (!last || !["point", "box"].includes(last.kind)) return state;
    const picked = { ...withoutPick(last), ...pick };
    if (picked.candidate === last.candidate && picked.alternative === last.alternative) return state;
    const steps = [...object.steps.slice(0, -1), picked];
    return onActive(state, (each) => ({ ...each, steps }));
  },
  edit(state, { edit, begin: properties }) {
    const opened = state.active === null ? begin(state, properties) : state;
    return onActive(opened, (object) => ({ ...object, edits: [...object.edits, edit] }));
  },
  removeEdit(state, { index }) {
    return onActive(state, (object) => ({ ...object, edits: object.edits.filter((_, n) => n !== index) }));
  },
  clear(state) {
    if (state.active === null) return state;
    const objects = state.before
      ? state.objects.map((object) => (object.id === state.active ? state.before : object))
      : state.objects.filter((object) => object.id !== state.active);
    return { ...state, objects, active: null, before: null };
  },
  accept(state) {
    return state.active === null ? state : { ...state, active: null, before: null };
  },
  open(state, { id }) {
    const object = state.objects.find((each) => each.id === id);
    if (!object || state.active === id) return state;
    const objects = state.objects.map((each) => (each.id === id ? { ...each, visible: true } : each));
    return { ...state, objects, active: id, before: object };
  },
  add(state, { objects, active = false, begin: properties }) {
    let result = { ...state, active: null, before: null };
    for (const about of objects) result = { ...begin(result, { ...properties, ...about }), active: null };
    return active ? { ...result, active: result.next - 1 } : result;
  },
  split(state, { objects, begin: properties }) {
    const { colour, name, class: number } = activeObject(state);
    const others = { ...state, objects: state.objects.filter((object) => object.id !== state.active) };
    const named = objects.map((about, n) => ({ ...about, ...(n ? {} : { colour }), name: name && `${name} ${n + 1}` }));
    return ACTIONS.add(others, { objects: named, begin: { ...properties, class: number } });
  },
  remove(state, { id, ids = [id] }) {
    const objects = state.objects.filter((object) => !ids.includes(object.id));
    if (objects.length === state.objects.length) return state;
    return { ...state, objects, ...(ids.includes(state.active) ? { active: null, before: null } : {}) };
  },
  /** One object of several: the first keeps its prompts, `edit` adds the masks of the others. */
  merge(state, { ids: [first, ...others], edit }) {
    const objects = state.objects
      .filter((object) => !others.includes(object.id))
      .map((object) => (object.id === first ? { ...object, edits: [...object.edits, edit] } : object));
    return { ...state, objects, active: null, before: null };
  },
  /** An edit on each of several objects: {id: edit}. */
  editEach(state, { edits }) {
    const objects = state.objects.map((object) =>
      edits[object.id] ? { ...object, edits: [...object.edits, edits[object.id]] } : object,
    );
    return { ...state, objects };
  },
  removeAll(state) {
    return state.objects.length ? { ...state, objects: [], active: null, before: null } : state;
  },
  rename: (state, { id, ids = [id], name }) => ids.reduce((result, each) => about(result, each, { name }), state),
  classify: (state, { ids, class: number }) => ids.reduce((result, id) => about(result, id, { class: number }), state),
  /** Make a suggestion an object, or drop it. */
  decide(state, { suggestion, object = null, active = false, begin: properties }) {
    const decided = { ...state.decided, [suggestion]: object ? "taken" : "dropped" };
    const added = object ? ACTIONS.add(state, { objects: [object], active, begin: properties }) : state;
    return { ...added, decided };
  },
  recolour: (state, { id, colour }) => about(state, id, { colour }),
  show: (state, { id, visible }) => about(state, id, { visible }),
  move(state, { id, by }) {
    const from = state.objects.findIndex((object) => object.id === id);
    const to = Math.max(0, Math.min(state.objects.length - 1, from + by));
    if (from < 0 || from === to) return state;
    const objects = [...state.objects];
    objects.splice(to, 0, ...objects.splice(from, 1));
    return { ...state, objects };
  },
};

function begin(state, properties = {}) {
  const id = state.next;
  const { prefix = null, ...others } = properties; // of ids on the server of a project
  const about = { id, name: "", colour: (id - 1) % COLOURS.length, visible: true, steps: [], edits: [], ...others };
  const object = prefix === null ? about : { ...about, sid: `${prefix}-${id}` };
  return { ...state, objects: [...state.objects, object], active: id, before: null, next: id + 1 };
}

function onActive(state, edit) {
  return {
    ...state,
    objects: state.objects.map((object) => (object.id === state.active ? edit(object) : object)),
  };
}

function about(state, id, changes) {
  const object = state.objects.find((each) => each.id === id);
  if (!object || Object.keys(changes).every((key) => object[key] === changes[key])) return state;
  return { ...state, objects: state.objects.map((each) => (each.id === id ? { ...each, ...changes } : each)) };
}
