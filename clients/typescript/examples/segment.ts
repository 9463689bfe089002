// The mask of what is at a point: node dist/examples/segment.js http://localhost:8000 photo.jpg 350 450 [TOKEN]
import { readFile } from "node:fs/promises";
import { client } from "../src/client.gen.js";
import { segmentImage, uploadImage } from "../src/index.js";

const [address, path, x, y, token] = process.argv.slice(2);
if (!address || !path || !x || !y) throw new Error("usage: segment.js ADDRESS IMAGE X Y [TOKEN]");
client.setConfig({ baseUrl: address, auth: token, throwOnError: true });

const file = new Blob([new Uint8Array(await readFile(path))]);
const image = (await uploadImage({ body: { file }, throwOnError: true })).data;
const { data } = await segmentImage({
  path: { id: image.id },
  body: { prompts: [{ points: [[Number(x), Number(y)]], labels: [1] }] },
  throwOnError: true,
});
for (const mask of data.masks) {
  console.log(JSON.stringify({ width: image.width, area: mask.area, score: mask.score, box: mask.box }));
}
