/** The ratio picker: a radio group in which every choice is drawn as what it is. */

import { draw, make } from "./dom.js";

/** Shown until the API has named those of the models. */
const KNOWN = ["auto", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"];
const BOX = 28;

export class Ratios {
  /** @param {{group: any, onChange: () => void}} parts */
  constructor({ group, onChange }) {
    this.group = group;
    group.replaceChildren();
    group.addEventListener("change", onChange);
    this.offer(KNOWN);
  }

  get value() {
    return this.group.querySelector("input:checked")?.value ?? "auto";
  }

  set value(ratio) {
    const input = this.#inputs.find((input) => input.value === ratio && !input.disabled);
    if (input) input.checked = true;
  }

  /** What can be chosen. The rest stays visible, so that nothing jumps. @param {string[]} offered */
  offer(offered) {
    const shown = this.#inputs.map((input) => input.value);
    this.group.append(...[...new Set([...KNOWN, ...offered])].filter((ratio) => !shown.includes(ratio)).map(choice));
    for (const input of this.#inputs) {
      input.disabled = !offered.includes(input.value);
      input.parentElement.title = input.disabled ? "The chosen model does not offer this ratio." : "";
    }
    if (!this.#inputs.some((input) => input.checked && !input.disabled)) this.value = offered[0];
  }

  get #inputs() {
    return [...this.group.querySelectorAll("input")];
  }
}

/** Width and height in the given box. `auto` is a square. */
export function sizeOf(ratio, box) {
  const [width, height] = ratio.split(":").map(Number);
  if (!width || !height) return [box * 0.8, box * 0.8];
  const scale = box / Math.max(width, height);
  return [width * scale, height * scale];
}

function choice(ratio) {
  const input = make("input", { type: "radio", name: "ratio", value: ratio });
  return make("label", { class: "ratio" }, input, drawing(ratio), make("span", {}, ratio));
}

function drawing(ratio) {
  const [width, height] = sizeOf(ratio, BOX - 4);
  const place = { x: (BOX - width) / 2, y: (BOX - height) / 2, width, height, rx: 2.5 };
  const isAuto = ratio === "auto" && { "stroke-dasharray": "3.2 2.6" };
  return draw(
    "svg",
    { viewBox: `0 0 ${BOX} ${BOX}`, width: BOX, height: BOX, "aria-hidden": "true" },
    draw("rect", { ...place, ...isAuto }),
  );
}
