/** Colours that stay apart for colour-blind eyes, after Okabe and Ito, a little brighter; those of `anymask.visualization.overlay`. */

export const COLOURS = [
  [56, 152, 255],
  [255, 159, 10],
  [214, 110, 186],
  [240, 228, 66],
  [0, 178, 140],
  [232, 84, 20],
  [130, 215, 255],
  [128, 96, 240],
];

/** The colour of a region of everything mode: hues step by the golden angle, in three brightnesses. */
export function regionColour(index) {
  const hue = (index * 137.508) % 360;
  const light = [0.62, 0.78, 0.5][index % 3];
  const part = (offset) => {
    const k = (offset + hue / 30) % 12;
    return Math.round(255 * (light - 0.75 * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}
