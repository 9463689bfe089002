/** The edge of a mask as a path along pixel borders: sharp at every zoom, and stroked in one call. */

const paths = new WeakMap();

/** @param {import("./bitmap.js").Bitmap} bitmap @returns {Path2D} in pixels of the image */
export function outline(bitmap) {
  if (!paths.has(bitmap)) paths.set(bitmap, trace(bitmap));
  return paths.get(bitmap);
}

function trace({ x, y, columns, rows, data }) {
  const path = new Path2D();
  const none = new Uint8Array(columns);
  const began = new Int32Array(columns + 1).fill(-1); // the row where the open edge left of each column began
  let above = none;
  for (let row = 0; row <= rows; row++) {
    const line = row < rows ? data.subarray(row * columns, (row + 1) * columns) : none;
    let start = -1;
    let left = 0;
    for (let column = 0; column <= columns; column++) {
      const here = column < columns ? line[column] : 0;
      const level = column < columns && here !== above[column];
      if (level !== start >= 0) {
        if (level) start = column;
        else {
          path.moveTo(x + start, y + row);
          path.lineTo(x + column, y + row);
          start = -1;
        }
      }
      const upright = here !== left;
      if (upright !== began[column] >= 0) {
        if (upright) began[column] = row;
        else {
          path.moveTo(x + column, y + began[column]);
          path.lineTo(x + column, y + row);
          began[column] = -1;
        }
      }
      left = here;
    }
    above = line;
  }
  return path;
}
