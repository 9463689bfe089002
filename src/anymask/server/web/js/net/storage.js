/** What survives a reload without a project: each image with its objects and undo history, in this browser.
 *
 * The image's file is there too because the server may forget it, when it expires or restarts; it is then sent again.
 * States share what did not change, and so do they in IndexedDB: a hundred of them take little more room than one.
 */

const CURRENT = "anymask.current"; // of a tab, and of the browser: the image that was open last
const EARLIER = "anymask.session"; // where versions before kept one session
const DATABASE = "anymask";
const FILES = "images";
const SESSIONS = "sessions";
const UNSAVED = "unsaved"; // of projects: what the server does not have yet
const PAST = 200; // undo steps that survive a reload

/** @typedef {{id: string, name: string, width: number, height: number, history: object, changed: number}} Session */

/** The id of the image that this tab had open, or else the browser. @returns {string | null} */
export function currentImage() {
  return sessionStorage.getItem(CURRENT) ?? localStorage.getItem(CURRENT);
}

export function setCurrentImage(id) {
  for (const storage of [sessionStorage, localStorage]) {
    try {
      if (id) storage.setItem(CURRENT, id);
      else storage.removeItem(CURRENT);
    } catch {
      // the session itself is in IndexedDB; only the way back to it is lost
    }
  }
}

/** @returns {Promise<Session | null>} */
export async function loadSession(id) {
  await importEarlier();
  return (await withStore(SESSIONS, "readonly", (store) => store.get(id)).catch(() => null)) ?? null;
}

/** All images that have a session, the one that changed last first. @returns {Promise<Session[]>} */
export async function listSessions() {
  await importEarlier();
  const all = await withStore(SESSIONS, "readonly", (store) => store.getAll()).catch(() => []);
  return all.sort((a, b) => b.changed - a.changed);
}

/** Save the objects of an image; fails where there is no room. */
export async function saveSession({ id, name, width, height }, { past, present, future }) {
  const history = { past: past.slice(-PAST), present, future: future.slice(0, PAST) };
  await withStore(SESSIONS, "readwrite", (store) =>
    store.put({ id, name, width, height, history, changed: Date.now() }, id),
  );
}

/** Remove an image with its objects. */
export async function removeSession(id) {
  await withStore(SESSIONS, "readwrite", (store) => store.delete(id));
  await withStore(FILES, "readwrite", (store) => store.delete(id));
}

/** Save the file of an image. @param {string} id @param {File} file */
export async function saveImage(id, file) {
  await withStore(FILES, "readwrite", (store) => store.put({ file, name: file.name }, id));
}

/** @returns {Promise<File | null>} */
export async function loadImage(id) {
  const record = await withStore(FILES, "readonly", (store) => store.get(id)).catch(() => null);
  return record ? new File([record.file], record.name, { type: record.file.type }) : null;
}

/** Save what the server does not have yet. @param {string} key of an image of a project */
export async function saveUnsaved(key, record) {
  await withStore(UNSAVED, "readwrite", (store) => store.put(record, key));
}

/** @returns {Promise<{revision: number, history: object} | null>} */
export async function loadUnsaved(key) {
  return (await withStore(UNSAVED, "readonly", (store) => store.get(key)).catch(() => null)) ?? null;
}

export async function removeUnsaved(key) {
  await withStore(UNSAVED, "readwrite", (store) => store.delete(key));
}

/** Take over the one session of an earlier version. */
async function importEarlier() {
  const text = localStorage.getItem(EARLIER);
  if (!text) return;
  try {
    const { image, history } = JSON.parse(text);
    await saveSession(image, history);
    localStorage.setItem(CURRENT, image.id);
  } catch {
    // it was damaged, or there is no room: there is nothing to take over
  }
  localStorage.removeItem(EARLIER);
}

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 3);
    request.onupgradeneeded = () => {
      for (const name of [FILES, SESSIONS, UNSAVED]) {
        if (!request.result.objectStoreNames.contains(name)) request.result.createObjectStore(name);
      }
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close(); // a newer version in another tab
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function withStore(name, mode, act) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(name, mode);
    const request = act(transaction.objectStore(name));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
    if (mode === "readwrite") transaction.commit(); // it is written even if the page is left now
  });
}
