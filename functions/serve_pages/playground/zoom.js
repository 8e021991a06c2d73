/** An image in full size, over the page. Escape or the button closes it; the focus returns to where it was. */

import { make } from "./dom.js";

/** @param {{url: string, alt: string}} image */
export function zoom({ url, alt }) {
  const picture = make("img", { src: url, alt });
  const view = make("button", { type: "button", class: "view", "aria-label": "Show in actual size", "aria-pressed": "false" }, picture);
  const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "✕");
  const dialog = make("dialog", { class: "zoom", "aria-label": "Image in full size" }, view, close);
  view.addEventListener("click", () => {
    const isActual = dialog.classList.toggle("actual");
    view.setAttribute("aria-pressed", String(isActual));
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  close.focus();
}
