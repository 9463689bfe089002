/** The server's HTTP interface: the only place that knows its addresses. */

import { S } from "../core/strings.js";

const TOKEN = "anymask.token";
const PREVIEW_SIDE = 2048; // pixels: more than a screen shows, and a large image takes no longer than a small one
const RETRIES = 4; // tries while the server is busy

/** An error that the server reports, with its own text. */
class HttpError extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.expected = true;
    this.status = status;
    this.kind = (problem.type ?? "").split(":").pop();
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  get lostImage() {
    return this.status === 404 && this.kind === "unknown-image";
  }

  get lostLogits() {
    return this.status === 404 && this.kind === "unknown-mask";
  }
}

export class Api {
  /**
   * @param {() => Promise<string>} askForToken called when the server wants a token
   * @param {(seconds: number) => void} waiting called when the server is busy
   */
  constructor(askForToken, waiting) {
    this.askForToken = askForToken;
    this.waiting = waiting;
    this.token = sessionStorage.getItem(TOKEN) ?? "";
    this.#takeTokenFromAddress();
  }

  /** Send an image. @param {(share: number) => void} progress @returns {Promise<{id, width, height, expires}>} */
  upload(file, progress) {
    return this.uploadTo("v1/images", file, file.name, progress);
  }

  /** Send a file to an address, under a name. @param {(share: number) => void} progress */
  async uploadTo(path, file, name, progress) {
    return this.#withToken(
      () =>
        new Promise((resolve, reject) => {
          const request = new XMLHttpRequest();
          request.open("POST", path);
          for (const [header, value] of Object.entries(this.#headers())) request.setRequestHeader(header, value);
          request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
          request.onload = () => {
            const body = parseJson(request.responseText);
            if (request.status < 300) resolve(body);
            else reject(new HttpError(request.status, body, Number(request.getResponseHeader("Retry-After")) || 0));
          };
          request.onerror = () => reject(offlineError());
          const form = new FormData();
          form.append("file", file, name);
          request.send(form);
        }),
    );
  }

  /** Wait until an image is encoded. */
  async ready(id) {
    while (!(await this.json("GET", `v1/images/${id}?wait=20`)).encoded);
  }

  /** What the server knows of an image. */
  image(id) {
    return this.json("GET", `v1/images/${id}`);
  }

  /** The image as displayed. @param {"png" | "jpeg"} format @returns {Promise<Blob>} */
  async imageFile(id, format) {
    return (await this.request("GET", `v1/images/${id}/picture?format=${format}`)).blob();
  }

  /**
   * One prompt: the mask.
   *
   * @param {object} options `candidates`: also the model's three masks; `window`: what is visible;
   *   `preview`: from one run of the decoder, of at most `max_side` pixels a side; `refine`, and `store`: whether a
   *   later click may build on it
   */
  async segment(id, prompt, { candidates = false, window = null, preview = false, refine = "auto", store = !preview } = {}) {
    const body = { prompts: [prompt], candidates, window, preview, refine, store };
    if (preview && !store) body.max_side = PREVIEW_SIDE;
    const result = await this.json("POST", `v1/images/${id}/segment`, body);
    return result.masks[0];
  }

  /** Points that may be on several objects: a mask for each group of points, with its own points. @returns {Promise<object[]>} */
  async groups(id, points, labels) {
    const body = { prompts: [{ points, labels }], objects: "auto" };
    return (await this.json("POST", `v1/images/${id}/segment`, body)).masks;
  }

  /** What clicks may mean: masks, the best first. @returns {Promise<object[]>} */
  async alternatives(id, points, labels, window = null) {
    return (await this.json("POST", `v1/images/${id}/alternatives`, { points, labels, window })).masks;
  }

  /** Have the server encode what is visible. @returns {Promise<number[] | null>} the window that it encoded */
  async encodeWindow(id, window) {
    return (await this.json("POST", `v1/images/${id}/zoom`, { window })).window;
  }

  /** Boxes of what a text names. @returns {Promise<{detections: {box, label, score}[], unknown: string[], notes: string[]}>} */
  detect(id, text) {
    return this.json("POST", `v1/images/${id}/detect`, { text });
  }

  /** Start automatic mask generation. @returns {Promise<{job: string}>} */
  everything(id, options = {}) {
    return this.json("POST", `v1/images/${id}/everything`, options);
  }

  /** Stop a job. */
  cancel(job) {
    return this.request("DELETE", `v1/jobs/${job}`);
  }

  /** Events of a job, as they come. @param {(name: string, data: any) => void} handle */
  events(job, handle) {
    return this.stream(`v1/jobs/${job}/events`, handle);
  }

  /** Server-sent events, as they come. @param {(name: string, data: any, id: string | null) => void} handle */
  async stream(path, handle, signal) {
    const response = await this.request("GET", path, undefined, { signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (text + value).split(/\r?\n\r?\n/);
      text = blocks.pop();
      for (const block of blocks) handleEvent(block, handle);
    }
  }

  /** A file of masks in a format. @returns {Promise<{blob: Blob, name: string}>} */
  async export(id, format, masks, name, steps) {
    const response = await this.request("POST", `v1/images/${id}/export`, { format, masks, name, steps });
    const disposition = response.headers.get("Content-Disposition") ?? "";
    return { blob: await response.blob(), name: /filename="?([^";]+)"?/.exec(disposition)?.[1] ?? null };
  }

  /** Objects without their background. @param {object} options edges, crop, background @returns {Promise<Blob>} a PNG */
  async cutout(id, masks, options) {
    return (await this.request("POST", `v1/images/${id}/cutout`, { masks, ...options })).blob();
  }

  /** The image without objects. @param {object} options grow @param {AbortSignal} signal @returns {Promise<Blob>} a PNG */
  async inpaint(id, masks, options, signal) {
    return (await this.request("POST", `v1/images/${id}/inpaint`, { masks, ...options }, { signal })).blob();
  }

  /** What the server runs. */
  models() {
    return this.json("GET", "v1/models");
  }

  async json(method, path, body, options) {
    return (await this.request(method, path, body, options)).json();
  }

  /** @param {{signal?: AbortSignal, keepalive?: boolean}} options of fetch @returns {Promise<Response>} */
  request(method, path, body, options = {}) {
    return this.#withToken(() =>
      this.#withRetries(async () => {
        const headers = this.#headers();
        if (body !== undefined) headers["Content-Type"] = "application/json";
        let response;
        try {
          response = await fetch(path, {
            ...options,
            method,
            headers,
            body: body === undefined ? undefined : JSON.stringify(body),
          });
        } catch (error) {
          throw error.name === "AbortError" ? error : offlineError();
        }
        if (response.ok) return response;
        throw new HttpError(response.status, parseJson(await response.text()), Number(response.headers.get("Retry-After")) || 0);
      }),
    );
  }

  /** Send; where a token is missing, ask for one and send again. */
  async #withToken(send) {
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (error.status !== 401) throw error;
        this.tokenRequest ??= this.askForToken(Boolean(this.token)).finally(() => (this.tokenRequest = null));
        this.token = await this.tokenRequest;
        sessionStorage.setItem(TOKEN, this.token);
      }
    }
  }

  /** Wait and try again while the server is busy, as long as that takes seconds only. */
  async #withRetries(send) {
    for (let left = RETRIES; ; left--) {
      try {
        return await send();
      } catch (error) {
        const seconds = Math.max(1, error.retryAfter ?? 1);
        if (![429, 503].includes(error.status) || left <= 1 || seconds > 10) throw error;
        this.waiting(seconds);
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      }
    }
  }

  #headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  /** The address that the server prints carries the token; it is taken out of sight at once. */
  #takeTokenFromAddress() {
    const address = new URL(location.href);
    const inHash = new URLSearchParams(address.hash.slice(1)).get("token");
    const token = inHash ?? address.searchParams.get("token");
    if (!token) return;
    this.token = token;
    sessionStorage.setItem(TOKEN, token);
    address.searchParams.delete("token");
    const others = new URLSearchParams(address.hash.slice(1));
    others.delete("token");
    address.hash = others.toString();
    history.replaceState(null, "", address.href.replace(/#$/, ""));
  }
}

function handleEvent(block, handle) {
  let name = "message";
  let id = null;
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("id:")) id = line.slice(3).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).trim());
  }
  if (data.length) handle(name, JSON.parse(data.join("\n")), id);
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // not from anymask: a proxy's page, for instance
  }
}

function offlineError() {
  return Object.assign(new Error(S.offline), { expected: true, offline: true });
}
