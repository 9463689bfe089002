// Click an object: image → POST /v1/images, click → POST …/segment, mask → GET …/masks/{n}.png.

const file = document.querySelector("#file");
const again = document.querySelector("#again");
const download = document.querySelector("#download");
const status = document.querySelector("#status");
const canvas = document.querySelector("#image");
const drawing = canvas.getContext("2d");

let image = null; // {id, width, height, bitmap}
let clicks = []; // {x, y, label}
let latest = 0; // responses to earlier clicks may come later; only the mask of the last one is drawn

async function request(path, options) {
  const response = await fetch(path, options);
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({ detail: `the server responded with ${response.status}` }));
  throw new Error(problem.detail);
}

async function open(selected) {
  image = null;
  status.textContent = "Sending …";
  const form = new FormData();
  form.append("file", selected);
  const uploaded = await (await request("/v1/images", { method: "POST", body: form })).json();
  // The server's copy is upright and has the size that points refer to, whatever the file was.
  const upright = await request(`/v1/images/${uploaded.id}/picture?format=jpeg`);
  image = { ...uploaded, bitmap: await createImageBitmap(await upright.blob()) };
  canvas.width = image.width;
  canvas.height = image.height;
  restart();
}

function restart() {
  clicks = [];
  latest += 1;
  download.hidden = true;
  again.disabled = false;
  status.textContent = "Click on an object.";
  drawing.drawImage(image.bitmap, 0, 0);
}

async function segment() {
  const turn = ++latest;
  const prompt = { points: clicks.map(({ x, y }) => [x, y]), labels: clicks.map(({ label }) => label) };
  const { masks } = await (
    await request(`/v1/images/${image.id}/segment`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ prompts: [prompt] }),
    })
  ).json();
  const address = `/v1/images/${image.id}/masks/${masks[0].id}.png`;
  const mask = await createImageBitmap(await (await request(address)).blob());
  if (turn !== latest) return;
  show(mask);
  download.href = address;
  download.hidden = false;
  const warning = masks[0].follows_prompt ? "" : " It does not follow all your clicks.";
  status.textContent = `${masks[0].area} pixels, score ${masks[0].score.toFixed(2)}.${warning}`;
}

function show(mask) {
  const layer = new OffscreenCanvas(image.width, image.height);
  const paint = layer.getContext("2d");
  paint.drawImage(mask, 0, 0);
  const pixels = paint.getImageData(0, 0, image.width, image.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const inside = pixels.data[i] > 127;
    pixels.data.set([56, 152, 255, inside ? 140 : 0], i);
  }
  paint.putImageData(pixels, 0, 0);
  drawing.drawImage(image.bitmap, 0, 0);
  drawing.drawImage(layer, 0, 0);
  const size = Math.max(image.width, image.height) / 100;
  for (const { x, y, label } of clicks) {
    drawing.beginPath();
    drawing.arc(x, y, size, 0, 2 * Math.PI);
    drawing.fillStyle = label ? "#16be3c" : "#e81c24";
    drawing.fill();
  }
}

function showError(error) {
  status.textContent = `Sorry: ${error.message}`;
}

file.addEventListener("change", () => file.files.length && open(file.files[0]).catch(showError));
again.addEventListener("click", restart);
canvas.addEventListener("click", (event) => {
  if (!image) return;
  const x = (event.offsetX * image.width) / canvas.clientWidth;
  const y = (event.offsetY * image.height) / canvas.clientHeight;
  clicks.push({ x, y, label: event.shiftKey ? 0 : 1 });
  segment().catch(showError);
});
