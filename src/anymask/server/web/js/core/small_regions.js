/** Holes and islands: fill or remove those below a size, with the library's meaning (8-connected, whole image). */

import { expand, tighten } from "./bitmap.js";

/** Fill holes, then drop islands, of fewer pixels than these.
 * @returns {{bitmap: object, filled: number[], dropped: number[]}} the areas of what was changed
 */
export function removeSmallRegions(bitmap, holes, islands) {
  const filled = fillHoles(bitmap, holes);
  const dropped = dropIslands(filled.bitmap, islands);
  return { bitmap: dropped.bitmap, filled: filled.areas, dropped: dropped.areas };
}

function fillHoles(bitmap, limit) {
  if (!(limit > 0) || !bitmap.area) return { bitmap, areas: [] };
  const small = regions(bitmap, 0).filter((region) => region.area < limit);
  if (!small.length) return { bitmap, areas: [] };
  const runs = small.flatMap((region) => region.runs);
  let [x0, y0, x1, y1] = [Infinity, Infinity, 0, 0];
  for (const [y, start, end] of runs) {
    [x0, y0, x1, y1] = [Math.min(x0, start), Math.min(y0, y), Math.max(x1, end), Math.max(y1, y + 1)];
  }
  const target = expand(bitmap, x0, y0, x1, y1);
  paint(target, runs, 1);
  return { bitmap: tighten(target), areas: small.map((region) => region.area) };
}

function dropIslands(bitmap, limit) {
  if (!(limit > 0) || !bitmap.area) return { bitmap, areas: [] };
  const all = regions(bitmap, 1);
  let small = all.filter((region) => region.area < limit);
  if (small.length === all.length) {
    const largest = all.reduce((best, region) => (region.area > best.area ? region : best));
    small = small.filter((region) => region !== largest);
  }
  if (!small.length) return { bitmap, areas: [] };
  const target = { ...bitmap, data: bitmap.data.slice() };
  paint(
    target,
    small.flatMap((region) => region.runs),
    0,
  );
  return { bitmap: tighten(target), areas: small.map((region) => region.area) };
}

function paint(target, runs, value) {
  for (const [y, start, end] of runs) {
    const row = (y - target.y) * target.columns - target.x;
    target.data.fill(value, row + start, row + end);
  }
}

/** Connected regions of a value over the whole image, in the order of their first pixel; runs are [y, start, end). */
function regions(bitmap, value) {
  const parents = [];
  const runs = [];
  const root = (index) => {
    while (parents[index] !== index) index = parents[index] = parents[parents[index]];
    return index;
  };
  let above = [];
  for (let y = 0; y < bitmap.height; y++) {
    const row = rowRuns(bitmap, y, value).map(([start, end]) => {
      parents.push(parents.length);
      runs.push([y, start, end]);
      return parents.length - 1;
    });
    let first = 0;
    for (const index of row) {
      const [, start, end] = runs[index];
      while (first < above.length && runs[above[first]][2] < start) first++;
      for (let n = first; n < above.length && runs[above[n]][1] <= end; n++) {
        const [a, b] = [root(above[n]), root(index)];
        parents[Math.max(a, b)] = Math.min(a, b);
      }
    }
    above = row;
  }
  const byRoot = new Map();
  runs.forEach((run, index) => {
    const key = root(index);
    if (!byRoot.has(key)) byRoot.set(key, { area: 0, runs: [] });
    const region = byRoot.get(key);
    region.area += run[2] - run[1];
    region.runs.push(run);
  });
  return [...byRoot.values()];
}

/** Runs [start, end) of a value in one row of the image. */
function rowRuns(bitmap, y, value) {
  const { width, x, columns } = bitmap;
  const row = y - bitmap.y;
  if (row < 0 || row >= bitmap.rows) return value ? [] : [[0, width]];
  const line = bitmap.data.subarray(row * columns, (row + 1) * columns);
  const runs = [];
  let start = value || !x ? -1 : 0;
  for (let column = 0; column < columns; column++) {
    if (line[column] === value) {
      if (start < 0) start = column + x;
    } else if (start >= 0) {
      runs.push([start, column + x]);
      start = -1;
    }
  }
  const end = x + columns;
  if (!value && end < width) runs.push([start < 0 ? end : start, width]);
  else if (start >= 0) runs.push([start, end]);
  return runs;
}
