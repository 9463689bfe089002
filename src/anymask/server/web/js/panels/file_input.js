/** Ways an image comes in: dropped, pasted, picked, taken. */

import { byId } from "../ui/dom.js";

/** @param {(files: {file: File, path: string}[], folder: string | null) => void} open */
export function listenForImages(open) {
  for (const [button, input] of [
    ["open", "file"],
    ["welcome-open", "file"],
    ["camera", "camera-file"],
  ]) {
    byId(button).addEventListener("click", () => byId(input).click());
  }
  for (const input of [byId("file"), byId("camera-file")]) {
    input.addEventListener("change", () => {
      const files = [...input.files].map(plain);
      input.value = "";
      if (files.length) open(files, null);
    });
  }
  document.addEventListener("paste", (event) => {
    const file = imageIn(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    open([plain(file)], null);
  });
  listenForDrops(open);
}

const plain = (file) => ({ file, path: file.name });

function listenForDrops(open) {
  const cover = byId("drop");
  let depth = 0;
  const show = (by) => {
    depth = Math.max(0, depth + by);
    cover.hidden = depth === 0;
  };
  const hasFile = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => hasFile(event) && show(1));
  document.addEventListener("dragleave", (event) => hasFile(event) && show(-1));
  document.addEventListener("dragover", (event) => hasFile(event) && event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    show(-depth);
    const { files, folder } = await filesIn(event.dataTransfer);
    if (files.length) open(files, folder);
  });
}

/** All files of a drop, those in folders with their paths; the name of the folder, if it was one alone. */
async function filesIn(data) {
  const plainFiles = [...data.files].map(plain);
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return { files: plainFiles, folder: null };
  const files = [];
  const walk = async (entry, path) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      if (!file.name.startsWith(".")) files.push({ file, path: path + file.name });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at once
      if (!some.length) return;
      for (const each of some) await walk(each, entries.length === 1 && entry === entries[0] ? path : `${path}${entry.name}/`);
    }
  };
  for (const entry of entries) await walk(entry, "");
  return { files, folder: entries.length === 1 ? entries[0].name : null };
}

function imageIn(clipboard) {
  return [...(clipboard?.files ?? [])].find((file) => file.type.startsWith("image/"));
}
