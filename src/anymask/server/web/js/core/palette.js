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

/** CSS for a colour of the palette. */
export function css(index, alpha = 1) {
  const [red, green, blue] = COLOURS[index % COLOURS.length];
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}
