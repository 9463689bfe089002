/** The server's interface to projects. */

export class ProjectApi {
  /** @param {import("./api.js").Api} api */
  constructor(api) {
    this.api = api;
    this.client = clientOfTab();
  }

  projects = () => this.#get("v1/projects");
  create = (name) => this.#send("POST", "v1/projects", { name });
  project = (p) => this.#get(`v1/projects/${p}`);
  change = (p, settings) => this.#send("PATCH", `v1/projects/${p}`, settings);
  rescan = (p) => this.#send("POST", `v1/projects/${p}/rescan`, {});

  /** A page of the list of images. @param {object} filter state, class, q */
  images = (p, offset, limit, filter) => this.#get(`v1/projects/${p}/images?${query({ offset, limit, ...filter })}`);
  neighbour = (p, after, direction, filter) =>
    this.#get(`v1/projects/${p}/images/next?${query({ after, direction, ...filter })}`);
  setState = (p, n, state) => this.#send("PATCH", `v1/projects/${p}/images/${n}`, { state, client: this.client });
  open = (p, n, next) => this.#send("POST", `v1/projects/${p}/images/${n}/open`, { client: this.client, next });
  session = (p, n) => this.#get(`v1/projects/${p}/images/${n}/session`);
  save = (p, n, body) =>
    this.#send("PUT", `v1/projects/${p}/images/${n}/session`, { client: this.client, ...body });
  lock = (p, n, take = false) =>
    this.#send("POST", `v1/projects/${p}/images/${n}/lock`, { client: this.client, ...(take ? { take } : {}) });

  /** Give a lock back, also while the page is being left. */
  unlock(p, n) {
    return this.api.request("DELETE", `v1/projects/${p}/images/${n}/lock?client=${this.client}`, undefined, { keepalive: true });
  }

  /** Add one file. @param {string} path its name in the project, with folders */
  addFile(p, file, path) {
    return this.api.uploadTo(`v1/projects/${p}/images`, file, path, () => {});
  }

  thumbnail = (p, { number, revision }) => `v1/projects/${p}/images/${number}/thumbnail?v=${revision}`;

  addClass = (p, name) => this.#send("POST", `v1/projects/${p}/classes`, { name });
  classes = (p) => this.#get(`v1/projects/${p}/classes`);
  changeClass = (p, id, settings) => this.#send("PATCH", `v1/projects/${p}/classes/${id}`, settings);
  mergeClass = (p, id, into) => this.#send("POST", `v1/projects/${p}/classes/${id}/merge`, { into });
  removeClass = (p, id) => this.api.request("DELETE", `v1/projects/${p}/classes/${id}`);

  assist = (p, body) => this.#send("POST", `v1/projects/${p}/assist`, body);
  cancelAssist = (p, job) => this.#send("DELETE", `v1/projects/${p}/assist/${job}`);
  dropSuggestions = (p, job) => this.#send("DELETE", `v1/projects/${p}/suggestions?job=${job}`);

  review = (p, filter) => this.#get(`v1/projects/${p}/review?${query(filter)}`);
  export = (p, body) => this.#send("POST", `v1/projects/${p}/export`, body);
  exportState = (p, id) => this.#get(`v1/projects/${p}/export/${id}`);
  async exportFile(p, id) {
    return (await this.api.request("GET", `v1/projects/${p}/export/${id}/file`)).blob();
  }

  /** Events after one. @param {(name: string, data: any, id: string) => void} handle */
  events(p, after, handle, signal) {
    return this.api.stream(`v1/projects/${p}/events?${query({ after })}`, handle, signal);
  }

  #get(path) {
    return this.api.json("GET", path);
  }

  #send(method, path, body) {
    return this.api.json(method, path, body);
  }
}

function query(values) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of [value].flat()) if (each !== null && each !== undefined && each !== "") search.append(name, each);
  }
  return search.toString();
}

/**
 * A name for this tab, by which the server tells who works on an image.
 *
 * It is stored only while the page is left, which is enough for a reload: a tab that is duplicated starts with a copy of
 * what the first one has stored, and two tabs of one name would write over each other.
 */
function clientOfTab() {
  const KEY = "anymask.client";
  const random = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const client = sessionStorage.getItem(KEY) || random();
  const forget = () => sessionStorage.removeItem(KEY);
  forget();
  window.addEventListener("pagehide", () => sessionStorage.setItem(KEY, client));
  window.addEventListener("pageshow", forget); // the page came back without being loaded again
  return client;
}
