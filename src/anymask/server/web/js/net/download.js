/** Output: downloads and the clipboard. */

/** Offer a file for download. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Put an image on the clipboard; fails where the browser does not allow it. @param {Promise<Blob>} png */
export async function copyImage(png) {
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
}

/** Put text on the clipboard. @returns {Promise<boolean>} whether the browser let us */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyThroughField(text);
  }
}

/** The old way, for pages that are served without TLS from another machine. */
function copyThroughField(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
