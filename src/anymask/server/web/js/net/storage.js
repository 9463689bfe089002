/** What survives a reload: the steps as JSON in localStorage, the image's file in IndexedDB.
 *
 * The image is here too because the server may forget it, when it expires or restarts; it is then sent again.
 */

const SESSION = "anymask.session";
const DATABASE = "anymask";
const STORE = "images";
const PAST = 60; // undo steps that survive a reload

/** @returns {{image: object, history: object} | null} */
export function loadSession() {
  try {
    return JSON.parse(localStorage.getItem(SESSION));
  } catch {
    return null;
  }
}

/** @returns {boolean} whether there was room */
export function saveSession(image, history) {
  const { id, name, width, height } = image;
  for (const depth of [PAST, 5, 0]) {
    const saved = {
      past: depth ? history.past.slice(-depth) : [],
      present: history.present,
      future: history.future.slice(0, depth),
    };
    try {
      localStorage.setItem(SESSION, JSON.stringify({ image: { id, name, width, height }, history: saved }));
      return true;
    } catch {
      // no room: try with a shorter past
    }
  }
  return false;
}

/** Save one image, in place of any other. @param {string} id @param {File} file */
export async function saveImage(id, file) {
  await withStore("readwrite", (store) => {
    store.clear();
    return store.put({ file, name: file.name }, id);
  });
}

/** @returns {Promise<File | null>} */
export async function loadImage(id) {
  const record = await withStore("readonly", (store) => store.get(id)).catch(() => null);
  return record ? new File([record.file], record.name, { type: record.file.type }) : null;
}

async function withStore(mode, act) {
  const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 2);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}
