// One object of an image with exported networks: node segment.mjs FOLDER IMAGE X Y MASK.png
// FOLDER is written by `anymask export mobile-sam --to FOLDER --single-mask`; npm install onnxruntime-web sharp
// In a browser, fetch the two files and read the pixels from a canvas; the rest is the same.
import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';
import sharp from 'sharp';

const [folder, file, x, y, out] = process.argv.slice(2);
const tensor = (values, dims) => new ort.Tensor('float32', Float32Array.from(values), dims);
const open = (name) => ort.InferenceSession.create(readFileSync(`${folder}/${name}`));
ort.env.wasm.numThreads = 1;

const { data, info } = await sharp(file).removeAlpha().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
const { width, height } = info;
const encoder = await open('encoder.onnx');
const { image_embeddings } = await encoder.run({ input_image: tensor(data, [height, width, 3]) });

// Points are in pixels of the image as it lies within 1024×1024 pixels.
const scale = 1024 / Math.max(width, height);
const toSquare = (value, side) => (Number(value) * Math.floor(side * scale + 0.5)) / side;
const decoder = await open('decoder.onnx');
const { masks, iou_predictions } = await decoder.run({
    image_embeddings,
    point_coords: tensor([toSquare(x, width), toSquare(y, height), 0, 0], [1, 2, 2]), // the click, and one padding point
    point_labels: tensor([1, -1], [1, 2]), // 0 excludes; 2 and 3 are the corners of a box
    mask_input: tensor(new Float32Array(256 * 256), [1, 1, 256, 256]),
    has_mask_input: tensor([0], [1]),
    orig_im_size: tensor([height, width], [2]),
});
const mask = Uint8Array.from(masks.data.subarray(0, width * height), (logit) => (logit > 0 ? 255 : 0));
await sharp(mask, { raw: { width, height, channels: 1 } }).toColourspace('b-w').png().toFile(out);
console.log(`score ${iou_predictions.data[0].toFixed(3)}, ${mask.filter(Boolean).length} pixels`);
