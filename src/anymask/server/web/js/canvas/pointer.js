/** Mouse, pen and fingers on the stage, turned into gestures: hover, click, box, stroke, pan, zoom. */

const SLACK = 5; // screen pixels a click may move
const SLACK_TOUCH = 10;
const WHEEL = 0.0018;

/**
 * Listen to a stage.
 *
 * @param {import("./stage.js").Stage} stage
 * @param {object} handlers what to do: `gesture(place, event)` names what a press starts ("prompt" | "paint" | "pan" |
 *   "drag"), the others follow it: hover, leave, click, box, boxDraft, paint, paintEnd, drag, dragEnd, wheel.
 */
export function listenToPointers(stage, handlers) {
  const { canvas } = stage;
  const fingers = new Map();
  let press = null;

  const down = (event) => {
    if (!stage.image) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    canvas.classList.add("mouse-used"); // no focus ring while the mouse is in use
    const local = stage.localOf(event);
    if (event.pointerType === "touch") fingers.set(event.pointerId, local);
    if (fingers.size > 1) {
      cancel();
      press = { kind: "pinch" };
      return;
    }
    const place = stage.placeOf(event);
    const kind = event.button === 1 ? "pan" : event.button === 2 ? "prompt" : handlers.gesture(place, event);
    press = { kind, place, local, last: local, button: event.button, moved: false, event };
    if (kind === "paint") handlers.paint(place, event);
  };

  const move = (event) => {
    if (!stage.image) return;
    const local = stage.localOf(event);
    if (press?.kind === "pinch") return pinch(event, local);
    const place = stage.placeOf(event);
    if (!press) {
      if (event.pointerType !== "touch") handlers.hover(place, event);
      return;
    }
    const slack = event.pointerType === "touch" ? SLACK_TOUCH : SLACK;
    press.moved ||= Math.hypot(local.x - press.local.x, local.y - press.local.y) > slack;
    if (press.kind === "pan") stage.pan(local.x - press.last.x, local.y - press.last.y);
    else if (press.kind === "paint") {
      for (const each of event.getCoalescedEvents?.() ?? [event]) handlers.paint(stage.placeOf(each), each);
    } else if (press.moved && press.kind === "drag") handlers.drag(place);
    else if (press.moved && press.button === 0) handlers.boxDraft(press.place, place);
    press.last = local;
  };

  const up = (event) => {
    fingers.delete(event.pointerId);
    if (!press) return;
    const last = press;
    if (last.kind === "pinch") {
      if (!fingers.size) press = null;
      return;
    }
    press = null;
    const place = stage.placeOf(event);
    if (last.kind === "paint") handlers.paintEnd();
    else if (last.kind === "drag") handlers.dragEnd(last.moved ? place : null);
    else if (last.kind === "prompt" && !last.moved) handlers.click(last.place, event, last.button === 2);
    else if (last.kind === "prompt" && last.button === 0) handlers.box(last.place, place);
  };

  const cancel = () => {
    if (press?.kind === "paint") handlers.paintEnd(true);
    if (press?.kind === "prompt") handlers.boxDraft(null, null);
    if (press?.kind === "drag") handlers.dragEnd(null, true);
    press = null;
  };

  const pinch = (event, local) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    fingers.set(event.pointerId, local);
    const after = [...fingers.values()];
    if (after.length < 2) return;
    const [a, b] = [spread(before), spread(after)];
    stage.pan(b.x - a.x, b.y - a.y);
    stage.zoom(b.distance / a.distance, b);
  };

  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    cancel();
  });
  canvas.addEventListener("pointerleave", () => press || handlers.leave());
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("auxclick", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => wheel(stage, handlers, event), { passive: false });
  return { cancel };
}

function wheel(stage, handlers, event) {
  event.preventDefault();
  const pixels = event.deltaY * (event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 400 : 1);
  if (!event.ctrlKey && handlers.wheel(Math.sign(pixels), stage.placeOf(event))) return;
  // Pinching on a touchpad arrives as a wheel with Ctrl, in small steps.
  const factor = Math.exp(-Math.max(-300, Math.min(300, pixels)) * WHEEL * (event.ctrlKey ? 4 : 1));
  stage.zoom(factor, stage.localOf(event));
}

function spread([a, b]) {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, distance: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)) };
}
