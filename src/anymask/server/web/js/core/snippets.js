/** The same masks without the browser, as Python and as a command line. */

import { hasPick } from "./alternatives.js";
import { nameOf } from "./labels.js";

/** Steps as `anymask.prediction.prompt_log` and `--prompt-log` take them. */
export function stepsOf(object) {
  const steps = object.steps.map((step) => {
    const extras = {
      ...(typeof step.candidate === "number" ? { candidate: step.candidate + 1 } : {}),
      ...(typeof step.alternative === "number" ? { alternative: step.alternative + 1 } : {}),
      ...(step.window ? { window: step.window } : {}),
    };
    if (step.kind === "point") return { point: [step.x, step.y], include: step.label === 1, ...extras };
    if (step.kind === "box") return { box: step.box, ...extras };
    if (step.kind === "group") {
      return { points: step.points, include: step.labels.map((label) => label === 1), member: step.group + 1 };
    }
    return { mask: step.rle };
  });
  const edits = object.edits.map((edit) => {
    if (edit.kind === "clean") return { clean: { holes: edit.holes, islands: edit.islands } };
    if (edit.rle) return { [edit.kind]: edit.rle };
    return { [edit.kind]: edit.path, size: edit.size };
  });
  return [...steps, ...edits];
}

/** All prompts and edits, for a file. */
export function promptLog(image, model, objects) {
  return {
    image: { path: image.name, width: image.width, height: image.height, pixels: image.id },
    ...model,
    objects: objects.map((object) => ({ name: nameOf(object), steps: stepsOf(object) })),
  };
}

/** Python that makes `masks`: a dict of names. @param {{model: string, engine?: string, precision?: string}} model */
export function asPython(image, model, objects) {
  const options = Object.entries(model)
    .filter(([, value]) => value)
    .map(([key, value]) => (key === "model" ? quotePython(value) : `${key}=${quotePython(value)}`));
  const lines = ["import anymask"];
  const plain = objects.every(isPlain);
  if (!plain) lines.push("from anymask.prediction.prompt_log import follow");
  lines.push(
    "",
    `segmenter = anymask.load(${options.join(", ")})`,
    `image = segmenter.encode(${quotePython(image.name)})`,
    "masks = {}",
  );
  const names = uniqueNames(objects);
  objects.forEach((object, index) => {
    const target = `masks[${quotePython(names[index])}]`;
    if (isPlain(object)) lines.push(`${target} = image.segment(${plainArguments(object)})[0]`);
    else lines.push(`${target} = follow(image, ${toPython(stepsOf(object))})`);
  });
  return `${lines.join("\n")}\n`;
}

/** One command for each object. */
export function asShell(image, model, objects) {
  const runtime = Object.entries(model)
    .filter(([, value]) => value)
    .map(([key, value]) => ` --${key} ${quoteShell(value)}`)
    .join("");
  const names = uniqueNames(objects);
  return objects
    .map((object, index) => {
      const prompt = isPlain(object) ? plainOptions(object) : ` --prompt-log ${quoteShell(JSON.stringify(stepsOf(object)))}`;
      const out = `anymask-out/${fileName(names[index])}`;
      return `anymask segment ${quoteShell(image.name.replace(/^-/, "./-"))}${prompt}${runtime} --out ${quoteShell(out)}\n`;
    })
    .join("");
}

/** Whether one prompt alone gives the mask: no alternative picked, no edit by hand. */
function isPlain(object) {
  const [step] = object.steps;
  if (object.steps.length !== 1 || !["point", "box"].includes(step.kind) || step.window) return false;
  if (hasPick(step)) return false;
  return object.edits.every((edit) => edit.kind === "clean") && object.edits.length < 2;
}

function plainArguments(object) {
  const [step] = object.steps;
  const prompt =
    step.kind === "box" ? `box=[${step.box.join(", ")}]` : `points=[(${step.x}, ${step.y})], labels=[${step.label}]`;
  const [clean] = object.edits;
  if (!clean) return prompt;
  return `${prompt}, max_hole_area=${clean.holes}, max_island_area=${clean.islands}`;
}

function plainOptions(object) {
  const [step] = object.steps;
  const point = `${step.x},${step.y}`;
  const prompt =
    step.kind === "box" ? ` --box ${step.box.join(",")}` : ` --${step.label ? "point" : "exclude-point"} ${point}`;
  const [clean] = object.edits;
  return clean ? `${prompt} --fill-holes ${clean.holes} --drop-islands ${clean.islands}` : prompt;
}

function uniqueNames(objects) {
  const used = new Set();
  return objects.map((object) => {
    let name = nameOf(object);
    for (let n = 2; used.has(name); n++) name = `${nameOf(object)} ${n}`;
    used.add(name);
    return name;
  });
}

/** A name that every file system takes. */
export function fileName(name) {
  return (
    name
      .normalize("NFKD")
      .replace(/[^\p{L}\p{N}._-]+/gu, "-")
      .replace(/^[-.]+|[-.]+$/g, "")
      .slice(0, 60) || "object"
  );
}

function quotePython(text) {
  return JSON.stringify(String(text)); // JSON's escapes are Python's too
}

function toPython(value) {
  if (Array.isArray(value)) return `[${value.map(toPython).join(", ")}]`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([key, each]) => `${quotePython(key)}: ${toPython(each)}`)
      .join(", ")}}`;
  return typeof value === "string" ? quotePython(value) : String(value);
}

function quoteShell(text) {
  return /^[\w@%+=:,./-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
