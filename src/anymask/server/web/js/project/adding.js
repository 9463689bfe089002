/** Files that come into a project: sent one by one; what is no image is named, and the rest goes on. */

import { S } from "../core/strings.js";

/**
 * @param {import("../net/project_api.js").ProjectApi} api
 * @param {string} project
 * @param {{file: File, path: string}[]} files
 * @param {(done: number, total: number) => void} progress
 * @returns {Promise<{added: number, existed: number, left: {path: string, reason: string}[], first: object | null}>}
 */
export async function addFiles(api, project, files, progress) {
  const result = { added: 0, existed: 0, left: [], first: null };
  for (const [index, { file, path }] of files.entries()) {
    progress(index, files.length);
    try {
      const { image, existed } = await api.addFile(project, file, path);
      result[existed ? "existed" : "added"]++;
      result.first ??= image;
    } catch (error) {
      if (error.offline || error.status === 413 && files.length === 1) throw error;
      result.left.push({ path, reason: error.message });
    }
  }
  return result;
}

/** What was added and what was not, in a few words. */
export function summaryOf({ added, existed, left }) {
  return S.filesAdded(added, existed, left.length);
}
