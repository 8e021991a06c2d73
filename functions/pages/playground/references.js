/** The reference images: chosen, checked, uploaded, put into order. */

import { Problem, upload } from "./api.js";
import { fill, make, say } from "./dom.js";

/** As the API has them; it checks again. */
const TYPES = ["image/jpeg", "image/png", "image/webp"];
const MOST_BYTES = 30 * 1024 * 1024;

export class References {
  /** @param {{list: any, fault: any, onChange: () => void}} parts `onChange`: something else would be sent now */
  constructor({ list, fault, onChange }) {
    this.list = list;
    this.fault = fault;
    this.onChange = onChange;
    this.items = [];
    this.key = "";
  }

  /** What a job names, in order: the ids of all that is uploaded. */
  get ids() {
    return this.items.filter((item) => item.id).map((item) => item.id);
  }

  get uploading() {
    return this.items.filter((item) => item.state === "uploading").length;
  }

  get missing() {
    return this.items.filter((item) => !item.id && item.state !== "uploading").length;
  }

  /** The pictures themselves, to be shown beside a result. @returns {{name: string, link: string}[]} */
  get pictures() {
    return this.items.filter((item) => item.link).map(({ name, link }) => ({ name, link }));
  }

  /** Takes what can be one and says why the rest can't. */
  add(files) {
    const refused = [];
    for (const file of files) {
      const reason = refusal(file);
      if (reason) refused.push(`${file.name || "The image"} ${reason}.`);
      else this.#append({ name: file.name || "pasted image", file, link: URL.createObjectURL(file) });
    }
    say(this.fault, refused.join(" "));
    this.#changed();
    this.#uploadAll();
  }

  /** References that lie in the deployment already, as a job names them. */
  addStored(ids) {
    for (const id of ids) this.#append({ name: id.split("/").at(-1), id, isStored: true, state: "ready" });
    this.#changed();
  }

  clear() {
    for (const item of this.items) item.stop?.abort();
    this.items = [];
    this.#changed();
  }

  /** An upload belongs to whom the key belongs to: under another key it is made anew. */
  use(key) {
    if (key === this.key) return;
    this.key = key;
    for (const item of this.items.filter((item) => item.file)) {
      item.stop?.abort();
      Object.assign(item, { id: "", state: "waiting", message: "" });
      this.#show(item);
    }
    this.#uploadAll();
  }

  /** Shows what the API has against single references. @param {Map<number, string>} faults by index */
  mark(faults) {
    let index = 0;
    for (const item of this.items) {
      item.message = item.id ? (faults.get(index++) ?? "") : item.message;
      this.#show(item);
    }
  }

  #append(item) {
    const entry = { state: "waiting", share: 0, message: "", id: "", ...item };
    entry.parts = this.#parts(entry);
    this.items.push(entry);
  }

  #parts(item) {
    const button = (label, text, act) => make("button", { type: "button", class: "icon", "data-label": label, onclick: act }, text);
    const parts = {
      number: make("span", { class: "number" }),
      note: make("span", { class: "note" }),
      bar: make("progress", { max: 1, value: 0, "aria-label": `Upload of ${item.name}` }),
      again: make("button", { type: "button", class: "link", onclick: () => this.#upload(item) }, "Try again"),
      earlier: button("Move earlier", "↑", () => this.#move(item, -1)),
      later: button("Move later", "↓", () => this.#move(item, 1)),
      remove: button("Remove", "✕", () => this.#remove(item)),
    };
    const thumbnail = item.link ? make("img", { src: item.link, alt: "" }) : make("span", { class: "no-picture" });
    const text = make("div", { class: "text" }, parts.number, make("span", { class: "name" }, item.name), parts.note, parts.bar, parts.again);
    parts.row = make("li", {}, thumbnail, text, parts.earlier, parts.later, parts.remove);
    return parts;
  }

  #changed() {
    fill(this.list, ...this.items.map((item) => item.parts.row));
    this.list.hidden = !this.items.length;
    for (const item of this.items) this.#show(item);
    this.onChange();
  }

  #show(item) {
    const { number, note, bar, again, earlier, later, remove, row } = item.parts;
    const place = this.items.indexOf(item);
    number.textContent = `image ${place + 1}`;
    for (const button of [earlier, later, remove]) {
      button.setAttribute("aria-label", `${button.dataset.label}: image ${place + 1}, ${item.name}`);
    }
    earlier.hidden = later.hidden = this.items.length === 1;
    earlier.disabled = place === 0;
    later.disabled = place === this.items.length - 1;
    bar.hidden = item.state !== "uploading";
    bar.value = item.share;
    again.hidden = item.state !== "failed";
    note.textContent = item.message || (item.state === "waiting" ? "waits for your key" : item.isStored ? "uploaded before" : "");
    row.classList.toggle("faulty", Boolean(item.message));
    row.dataset.state = item.state;
  }

  #move(item, by) {
    const from = this.items.indexOf(item);
    const focused = document.activeElement;
    this.items.splice(from, 1);
    this.items.splice(from + by, 0, item);
    this.#changed();
    // Moved elements lose the focus, and a button at the end of its way is disabled.
    const next = focused.disabled ? (by < 0 ? item.parts.later : item.parts.earlier) : focused;
    next.focus();
  }

  #remove(item) {
    const place = this.items.indexOf(item);
    item.stop?.abort();
    this.items.splice(place, 1);
    this.#changed();
    const next = this.items[Math.min(place, this.items.length - 1)];
    (next ? next.parts.remove : document.getElementById("pick")).focus();
  }

  #uploadAll() {
    for (const item of this.items) if (item.file && item.state === "waiting") this.#upload(item);
  }

  async #upload(item) {
    if (!this.key) return;
    item.stop = new AbortController();
    const { signal } = item.stop;
    Object.assign(item, { state: "uploading", share: 0, message: "" });
    this.#show(item);
    this.onChange();
    const onProgress = (share) => {
      item.parts.bar.value = item.share = share;
    };
    try {
      const id = await upload(this.key, item.file, { onProgress, signal });
      if (signal.aborted) return;
      Object.assign(item, { id, state: "ready" });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      // A wrong key is told at the key; once there is a right one, this goes on by itself.
      Object.assign(item, error.isAboutTheKey ? { state: "waiting" } : { state: "failed", message: error.message });
    }
    this.#show(item);
    this.onChange();
  }
}

function refusal(file) {
  if (!TYPES.includes(file.type)) return `is ${file.type || "of an unknown type"}; JPEG, PNG and WEBP can be used`;
  if (!file.size) return "is empty";
  if (file.size > MOST_BYTES) return `has ${(file.size / 1024 / 1024).toFixed(0)} MB; at most 30 MB can be used`;
  return "";
}
