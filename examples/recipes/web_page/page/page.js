// Click an object: photo → POST /v1/images, click → POST …/segment, mask → GET …/masks/{n}.png.

const file = document.querySelector("#file");
const again = document.querySelector("#again");
const download = document.querySelector("#download");
const says = document.querySelector("#says");
const canvas = document.querySelector("#picture");
const drawing = canvas.getContext("2d");

let photo = null; // {id, width, height, bitmap}
let clicks = []; // {x, y, label}
let latest = 0; // answers to earlier clicks may come later; only the last one is drawn

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({ detail: `the server answered ${answer.status}` }));
  throw new Error(problem.detail);
}

async function open(chosen) {
  photo = null;
  says.textContent = "Sending …";
  const form = new FormData();
  form.append("file", chosen);
  const brought = await (await ask("/v1/images", { method: "POST", body: form })).json();
  // The server's own picture is upright and has the size that points count in, whatever the file was.
  const picture = await ask(`/v1/images/${brought.id}/picture?format=jpeg`);
  photo = { ...brought, bitmap: await createImageBitmap(await picture.blob()) };
  canvas.width = photo.width;
  canvas.height = photo.height;
  restart();
}

function restart() {
  clicks = [];
  latest += 1;
  download.hidden = true;
  again.disabled = false;
  says.textContent = "Click on an object.";
  drawing.drawImage(photo.bitmap, 0, 0);
}

async function segment() {
  const turn = ++latest;
  const prompt = { points: clicks.map(({ x, y }) => [x, y]), labels: clicks.map(({ label }) => label) };
  const { masks } = await (
    await ask(`/v1/images/${photo.id}/segment`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ prompts: [prompt] }),
    })
  ).json();
  const address = `/v1/images/${photo.id}/masks/${masks[0].id}.png`;
  const mask = await createImageBitmap(await (await ask(address)).blob());
  if (turn !== latest) return;
  show(mask);
  download.href = address;
  download.hidden = false;
  const kept = masks[0].follows_prompt ? "" : " It does not keep all your clicks.";
  says.textContent = `${masks[0].area} pixels, score ${masks[0].score.toFixed(2)}.${kept}`;
}

function show(mask) {
  const layer = new OffscreenCanvas(photo.width, photo.height);
  const paint = layer.getContext("2d");
  paint.drawImage(mask, 0, 0);
  const pixels = paint.getImageData(0, 0, photo.width, photo.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const inside = pixels.data[i] > 127;
    pixels.data.set([56, 152, 255, inside ? 140 : 0], i);
  }
  paint.putImageData(pixels, 0, 0);
  drawing.drawImage(photo.bitmap, 0, 0);
  drawing.drawImage(layer, 0, 0);
  const size = Math.max(photo.width, photo.height) / 100;
  for (const { x, y, label } of clicks) {
    drawing.beginPath();
    drawing.arc(x, y, size, 0, 2 * Math.PI);
    drawing.fillStyle = label ? "#16be3c" : "#e81c24";
    drawing.fill();
  }
}

function tell(error) {
  says.textContent = `Sorry: ${error.message}`;
}

file.addEventListener("change", () => file.files.length && open(file.files[0]).catch(tell));
again.addEventListener("click", restart);
canvas.addEventListener("click", (event) => {
  if (!photo) return;
  const x = (event.offsetX * photo.width) / canvas.clientWidth;
  const y = (event.offsetY * photo.height) / canvas.clientHeight;
  clicks.push({ x, y, label: event.shiftKey ? 0 : 1 });
  segment().catch(tell);
});
