// Elements without HTML in strings. Text comes from the catalogue or from the API; it is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element.
 *
 *     h("a", { href: "#/history", class: "link", onclick: go }, t("nav.history"))
 *
 * Properties: `on...` listeners; true gives an attribute without value, false, null and undefined none; `class`, `hidden`
 * and all others are attributes; `value` is set as a property too. Children: nodes, strings, arrays of them; what is
 * null or false is left out.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  if ("value" in properties && tag !== "li") element.value = properties.value ?? "";
  return element;
}

function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (value === true) element.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

let last = 0;

/** An id that no other element has. */
export function fresh(prefix) {
  last += 1;
  return `${prefix}-${last}`;
}

// Outlines on a grid of 20, one stroke wide.
const ICONS = {
  menu: "M3 5h14M3 10h14M3 15h14",
  home: "M3.500 9 10 3.500 16.500 9v7a.5.5 0 0 1-.5.5h-4v-5H8v5H4a.5.5 0 0 1-.5-.5z",
  settings: "M3 6h8m4 0h2M3 14h2m4 0h8M13 4a2 2 0 1 0 0 4 2 2 0 0 0 0-4M7 12a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
  message: "M4 4h12a1.500 1.500 0 0 1 1.500 1.500v7A1.500 1.500 0 0 1 16 14h-5l-4 3v-3H4a1.500 1.500 0 0 1-1.500-1.500v-7A1.500 1.500 0 0 1 4 4M6 8h8M6 10.500h5",
  approve: "M10 2.500 16.500 5v5c0 3.500-2.500 6.200-6.500 7.500C6 16.200 3.500 13.500 3.500 10V5zM7 10l2.200 2.200L13 8",
  review: "M5 3h7l3.500 3.500V17H5zM12 3v3.500h3.500M7.500 10h5.500M7.500 13h5.500",
  history: "M4 5v3.500h3.500M4.300 8.500A6 6 0 1 1 4 11M10 7v3.500l2.500 1.500",
  building: "M4 17V4.500A.5.5 0 0 1 4.500 4h7a.5.5 0 0 1 .5.5V17M12 8h3.500a.5.5 0 0 1 .5.5V17M2.500 17h15M6.500 7h1M6.500 10h1M6.500 13h1M9 7h1M9 10h1M9 13h1",
  sun: "M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M4.300 15.700l1.100-1.100M14.600 5.400l1.100-1.100",
  moon: "M15.500 12.500A6.500 6.500 0 0 1 8 4a6.500 6.500 0 1 0 7.500 8.500",
  copy: "M7 6.500V4h9v9h-2.500M4 7h9v9H4z",
  check: "m4.500 10.500 3.500 3.500 7.500-8",
  warning: "M10 3 2.500 16.500h15zM10 8v4M10 14v.5",
  error: "M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15M10 6v5M10 13.500v.5",
  info: "M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15M10 9v5M10 6v.5",
  add: "M10 4v12M4 10h12",
  close: "m5 5 10 10M15 5 5 15",
  person: "M10 3a3.200 3.200 0 1 0 0 6.400A3.200 3.200 0 0 0 10 3M4 17c0-3.200 2.500-5 6-5s6 1.800 6 5",
  globe: "M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15M2.500 10h15M10 2.500c-4 4-4 11 0 15 4-4 4-11 0-15",
  download: "M10 3v9m-3.500-3.500L10 12l3.500-3.500M4 16h12",
  back: "M12 4 6 10l6 6",
};

/** A small picture beside words; it is not read out. */
export function icon(name, slot) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  if (slot) svg.setAttribute("slot", slot);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
