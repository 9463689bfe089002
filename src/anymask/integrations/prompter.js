// The page's side of anymask.notebook.prompter: draws the image with outlines, and turns the pointer into prompts.
const SVG = "http://www.w3.org/2000/svg";
const DRAG = 4; // pixels of the screen from which on a press is a box and no click

function element(name, attributes = {}, parent = null) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

const empty = () => ({ points: [], labels: [], box: null });
const isEmpty = (prompt) => prompt.points.length === 0 && prompt.box === null;

function render({ model, el }) {
  const [width, height] = model.get("size");
  const colors = model.get("colors");
  const unit = width / Math.min(width, 1024);
  let current = empty(); // the object that clicks go to; part of `prompts` once it has one
  let number = 0;
  let waiting = false;
  let next = null;
  let press = null;

  el.classList.add("anymask-prompter");
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab has Enter and others for itself, before they get here
  const bar = el.appendChild(document.createElement("div"));
  bar.className = "bar";
  const buttons = { "New object": finish, Undo: undo, Clear: clear };
  for (const [title, action] of Object.entries(buttons)) {
    const button = bar.appendChild(document.createElement("button"));
    button.textContent = title;
    button.addEventListener("click", action);
  }
  const status = bar.appendChild(document.createElement("span"));
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: "application" }, el);
  svg.setAttribute("aria-label", "image: click on an object");
  const picture = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/jpeg" }));
  element("image", { href: picture, width, height }, svg);
  const shapes = element("g", {}, svg);
  const preview = element(
    "path",
    { class: "preview", fill: "white", "fill-opacity": 0.35, "fill-rule": "evenodd", stroke: "white", "stroke-width": unit },
    svg,
  );
  const marks = element("g", { "pointer-events": "none" }, svg);
  const band = element("rect", { fill: "none", stroke: "lime", "stroke-width": 2 * unit, visibility: "hidden" }, svg);

  const prompts = () => model.get("prompts");
  const started = () => !isEmpty(current);

  function store(changed) {
    const done = started() ? prompts().slice(0, -1) : prompts();
    current = changed;
    model.set("prompts", isEmpty(changed) ? done : [...done, changed]);
    model.save_changes();
  }

  function finish() {
    current = empty();
    svg.focus();
  }

  function undo() {
    if (!started() && prompts().length > 0) current = prompts().at(-1);
    if (current.points.length > 0) {
      store({ ...current, points: current.points.slice(0, -1), labels: current.labels.slice(0, -1) });
    } else {
      store(empty());
    }
  }

  function clear() {
    current = empty();
    model.set("prompts", []);
    model.save_changes();
  }

  function place(event) {
    const box = svg.getBoundingClientRect();
    const inside = (value, side) => Math.min(Math.max(value, 0), side - 0.01);
    return [
      inside(((event.clientX - box.left) / box.width) * width, width),
      inside(((event.clientY - box.top) / box.height) * height, height),
    ];
  }

  const withPoint = (point, label) => ({
    ...current,
    points: [...current.points, point],
    labels: [...current.labels, label],
  });

  function boxOf([ax, ay], [bx, by]) {
    return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
  }

  function ask(prompt) {
    if (waiting) {
      next = prompt; // only the last place of the cursor counts
      return;
    }
    waiting = true;
    number += 1;
    model.send({ number, prompt });
  }

  function hide() {
    number += 1; // an answer under way is out of date
    next = null;
    preview.setAttribute("d", "");
  }

  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 1) return;
    svg.focus();
    svg.setPointerCapture(event.pointerId);
    press = { at: place(event), x: event.clientX, y: event.clientY, exclude: event.button === 2 || event.altKey };
    event.preventDefault();
  });
  svg.addEventListener("pointermove", (event) => {
    if (press === null) {
      ask(withPoint(place(event), event.altKey ? 0 : 1));
    } else if (!press.exclude && Math.hypot(event.clientX - press.x, event.clientY - press.y) > DRAG) {
      const [x0, y0, x1, y1] = boxOf(press.at, place(event));
      hide();
      for (const [key, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) {
        band.setAttribute(key, value);
      }
      band.setAttribute("visibility", "visible");
    }
  });
  svg.addEventListener("pointerup", (event) => {
    if (press === null) return;
    const isBox = band.getAttribute("visibility") === "visible";
    band.setAttribute("visibility", "hidden");
    hide();
    store(isBox ? { ...current, box: boxOf(press.at, place(event)) } : withPoint(press.at, press.exclude ? 0 : 1));
    press = null;
  });
  svg.addEventListener("pointercancel", () => {
    press = null;
    band.setAttribute("visibility", "hidden");
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("contextmenu", (event) => {
    event.preventDefault();
    event.stopPropagation(); // JupyterLab opens a menu of its own
  });
  svg.addEventListener("keydown", (event) => {
    const action = { Enter: finish, Backspace: undo, z: event.ctrlKey || event.metaKey ? undo : null }[event.key];
    if (!action) return;
    action();
    event.preventDefault();
    event.stopPropagation();
  });

  function answer(content) {
    waiting = false;
    if (content.number === number && press === null) preview.setAttribute("d", content.outline);
    if (next !== null) {
      const prompt = next;
      next = null;
      ask(prompt);
    }
  }

  function draw() {
    shapes.replaceChildren();
    marks.replaceChildren();
    model.get("outlines").forEach((outline, index) => {
      const color = colors[index % colors.length];
      const look = { fill: color, "fill-opacity": 0.45, "fill-rule": "evenodd", stroke: color, "stroke-width": 2 * unit };
      element("path", { d: outline, ...look }, shapes);
    });
    for (const prompt of prompts()) {
      if (prompt.box !== null) {
        const [x, y, x1, y1] = prompt.box;
        const frame = { x, y, width: x1 - x, height: y1 - y, fill: "none", stroke: "lime", "stroke-width": 2 * unit };
        element("rect", frame, marks);
      }
      prompt.points.forEach(([cx, cy], index) => {
        const fill = prompt.labels[index] ? "#2ca02c" : "#d62728";
        element("circle", { cx, cy, r: 5 * unit, fill, stroke: "white", "stroke-width": 1.5 * unit }, marks);
      });
    }
    const count = model.get("outlines").length;
    status.textContent = model.get("error") || `${count} ${count === 1 ? "object" : "objects"}`;
    status.className = model.get("error") ? "error" : "";
  }

  for (const name of ["change:outlines", "change:prompts", "change:error"]) model.on(name, draw);
  model.on("msg:custom", answer);
  draw();
  return () => {
    for (const name of ["change:outlines", "change:prompts", "change:error"]) model.off(name, draw);
    model.off("msg:custom", answer);
    URL.revokeObjectURL(picture);
  };
}

export default { render };
