/** Ways an image comes in: dropped, pasted, picked, taken. */

import { byId } from "../ui/dom.js";

/** @param {(file: File) => void} open */
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
      if (input.files[0]) open(input.files[0]);
      input.value = "";
    });
  }
  document.addEventListener("paste", (event) => {
    const file = imageIn(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    open(file);
  });
  listenForDrops(open);
}

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
  document.addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    show(-depth);
    const file = event.dataTransfer.files[0];
    if (file) open(file);
  });
}

function imageIn(clipboard) {
  return [...(clipboard?.files ?? [])].find((file) => file.type.startsWith("image/"));
}
