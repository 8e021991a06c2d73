/** Elements without markup: what is text stays text, so that nothing a person or a server says can become code. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with that id. @returns {any} */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * An element. Functions become listeners (`onclick`), `true` an attribute without a value; what is missing is left out.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | Function | null | undefined>} [attributes]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  return dressed(document.createElement(tag), attributes, children);
}

/** The same for a drawing. @returns {any} */
export function draw(tag, attributes = {}, ...children) {
  return dressed(document.createElementNS(SVG, tag), attributes, children);
}

/** Replaces what is inside. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter(isThere));
}

/** A text; what says it already stays untouched, so that it is not read out again. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The same, or nothing at all where there is none. */
export function say(element, text) {
  write(element, text);
  element.hidden = !text;
}

/** As a sentence of its own: the API's texts begin small and end open. */
export function sentence(text) {
  if (!text) return "";
  return text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

/** Says `true` of the element, or nothing at all. */
export function mark(element, name, isTrue) {
  if (isTrue) element.setAttribute(name, "true");
  else element.removeAttribute(name);
}

function dressed(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter(isThere));
  return element;
}

function isThere(child) {
  return child !== null && child !== undefined && child !== false;
}
