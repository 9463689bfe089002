/** The canvas: its size, what part of the image it shows, and when it is drawn. */

import { paintStage } from "./paint.js";
import * as viewports from "../core/viewport.js";

const BACKGROUND_WAIT = 100; // milliseconds: a page in the background draws no frames

export class Stage {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => object} gather what to draw: {layers, markers, draft, brush, crosshair, overview}
   */
  constructor(canvas, gather) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { desynchronized: false });
    this.gather = gather;
    this.image = null;
    this.size = { width: 1, height: 1 };
    this.viewport = { scale: 1, x: 0, y: 0, fitted: true };
    this.onView = () => {};
    this.afterPaint = () => {};
    this.pending = 0;
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  /** Show an image: {pixels, width, height}. */
  setImage(image) {
    const same = this.image && image && this.image.width === image.width && this.image.height === image.height;
    this.image = image;
    if (image && !same) this.fit();
    this.draw();
  }

  fit() {
    if (this.image) this.#show(viewports.fit(this.image, this.size));
  }

  /** Magnify about a place of the stage, by default its middle. */
  zoom(factor, at = { x: this.size.width / 2, y: this.size.height / 2 }) {
    if (this.image) this.#show(viewports.zoom(this.viewport, factor, at, this.image, this.size));
  }

  pan(dx, dy) {
    if (this.image) this.#show(viewports.pan(this.viewport, dx, dy, this.image, this.size));
  }

  reveal(place) {
    if (this.image) this.#show(viewports.reveal(this.viewport, place, this.image, this.size));
  }

  /** Where on the image a pointer is, in pixels with fractions. */
  placeOf(event) {
    return viewports.toImage(this.viewport, this.localOf(event));
  }

  /** Where on the stage a pointer is. */
  localOf(event) {
    const frame = this.canvas.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  }

  /** Draw with the next frame, however often this is called. */
  draw() {
    this.pending ||= requestAnimationFrame(() => {
      this.pending = 0;
      this.#paint();
    });
  }

  /** Draw, and wait until it is on the screen; a page in the background draws nothing, so wait a moment only. */
  drawAndWait() {
    this.draw();
    return new Promise((resolve) => {
      setTimeout(resolve, BACKGROUND_WAIT);
      requestAnimationFrame(() => setTimeout(resolve));
    });
  }

  #paint() {
    const ratio = this.canvas.width / this.size.width;
    const { image, viewport } = this;
    const { size: stage, unit } = this;
    paintStage(this.context, { ...(image && this.gather()), image, viewport, ratio, stage, unit });
    this.afterPaint();
  }

  #show(viewport) {
    this.viewport = viewport;
    this.onView(viewport);
    this.draw();
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    this.size = { width: Math.max(1, width), height: Math.max(1, height) };
    // Very large windows have larger letters; lines and markers keep up with them.
    this.unit = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    if (this.viewport.fitted) this.fit();
    this.#paint();
  }
}
