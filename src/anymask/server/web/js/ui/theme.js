/** Dark and light: as the system says, or as the person selected. */

const KEY = "anymask.theme";
const ORDER = ["auto", "dark", "light"];

/** Use the theme of the last visit. */
export function startTheme() {
  set(localStorage.getItem(KEY) ?? "auto");
}

/** Go on to the next theme. @returns {string} its name */
export function nextTheme() {
  const name = ORDER[(ORDER.indexOf(localStorage.getItem(KEY) ?? "auto") + 1) % ORDER.length];
  localStorage.setItem(KEY, name);
  set(name);
  return name;
}

function set(name) {
  document.documentElement.style.colorScheme = name === "auto" ? "" : name;
  document.documentElement.dataset.theme = name;
}
