/** An image, or an image over the one that it was made from, with a slider between them. */

import { fill, make } from "./dom.js";
import { zoom } from "./zoom.js";

/**
 * @param {{url: string, width: number, height: number}} result
 * @param {{name: string, link: string}[]} inputs what it was made from, where this page still has it
 * @param {{alt: string, onUnreadable: () => void}} options `onUnreadable`: its link may be too old
 */
export function pictureOf(result, inputs, { alt, onUnreadable }) {
  const frame = frameOf(result.width, result.height);
  const note = make("p", { class: "arriving note" }, "Loading the image…");
  const arrived = () => frame.classList.remove("loading");
  const picture = make("img", { class: "picture", src: result.url, alt, onload: arrived, onerror: onUnreadable });
  const larger = make("button", { type: "button", class: "larger", "aria-label": "View full size", title: "View full size" }, "⤢");
  larger.addEventListener("click", () => zoom({ url: result.url, alt }));
  frame.classList.add("loading");
  frame.append(note, picture);
  if (!inputs.length) {
    // The button covers the whole image: a click or Enter on it shows it in full size.
    larger.classList.add("whole");
    frame.append(larger);
    return make("div", { class: "mat" }, frame);
  }

  const input = make("img", { class: "picture input", src: inputs[0].link, alt: "" });
  const slider = make("input", { type: "range", min: 0, max: 100, step: 1, value: 50, class: "slider", "aria-label": "Input to result" });
  const slide = () => {
    frame.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % input, ${100 - slider.value} % result`);
  };
  slider.addEventListener("input", slide);
  slide();
  frame.append(
    input,
    make("span", { class: "side left", "aria-hidden": "true" }, "Input"),
    make("span", { class: "side right", "aria-hidden": "true" }, "Result"),
    make("span", { class: "handle", "aria-hidden": "true" }),
    slider,
    larger,
  );
  const mat = make("div", { class: "mat" }, frame);
  if (inputs.length === 1) return mat;
  return make("div", {}, mat, choiceOf(inputs, (link) => input.setAttribute("src", link)));
}

/** An empty frame of that shape, as wide as there is room. */
export function frameOf(width, height, ...children) {
  const frame = make("div", { class: "frame" });
  frame.style.setProperty("--ratio", String(width / height));
  fill(frame, ...children);
  return frame;
}

function choiceOf(inputs, onChoice) {
  const choices = inputs.map(({ name, link }, index) =>
    make(
      "label",
      { class: "compared", title: `image ${index + 1}, ${name}` },
      make("input", { type: "radio", name: "compared", checked: index === 0, onchange: () => onChoice(link) }),
      make("img", { src: link, alt: "" }),
      make("span", { class: "visually-hidden" }, `Compare with image ${index + 1}, ${name}`),
    ),
  );
  return make("fieldset", { class: "choice" }, make("legend", {}, "Compare with"), make("div", { class: "choices" }, ...choices));
}
