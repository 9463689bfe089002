/** The icons on buttons, drawn on a 24 by 24 grid in the colour of the text. */

const PATHS = {
  select: "M5 3l14 8-6 1.6L9.6 19z",
  brush: "M14 4l6 6-8.5 8.5M14 4l-5.5 5.500M8 10l6 6M8 10c-3 1-3 4-4 8-.3 1.200.5 2 1.500 1.800C10 19 13 19 14 16",
  erase: "M4 15l9-10 7 6-8 9H8zM8.500 10l7 6M12 20h8",
  pan: "M12 3v18M3 12h18M12 3l-2.500 2.500M12 3l2.500 2.500M12 21l-2.500-2.500M12 21l2.500-2.500M3 12l2.500-2.500M3 12l2.500 2.500M21 12l-2.500-2.500M21 12l-2.500 2.500",
  everything: "M4 4h7v7H4zM14 4h6v4h-6zM14 11h6v9h-6zM4 14h7v6H4z",
  exclude: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8 12h8",
  undo: "M8 5L4 9l4 4M4 9h10a6 6 0 0 1 0 12h-4",
  redo: "M16 5l4 4-4 4M20 9H10a6 6 0 0 0 0 12h4",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 2.500-2.500L20 17M15.500 9.500h.01",
  camera: "M4 8h4l1.500-3h5L16 8h4v11H4zM12 16.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7z",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18M15 6.500v11M18 9v6",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.3-1 .8-1 1.700M12 16.800h.01",
  download: "M12 4v11M7.500 11L12 15.500 16.500 11M5 20h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  hidden:
    "M4 4l16 16M9 6a9 9 0 0 1 3-.5c6 0 9.500 6.500 9.500 6.500a16 16 0 0 1-3 3.700M6 8a16 16 0 0 0-3.500 4S6 18.500 12 18.500a9 9 0 0 0 3.500-.7",
  up: "M6 14l6-6 6 6",
  down: "M6 10l6 6 6-6",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  edit: "M4 20l1-4L16.500 4.500l3 3L8 19zM14 7l3 3",
  remove: "M6 6l12 12M18 6L6 18",
};

/** @returns {SVGElement} hidden from screen readers: the button has a label */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
