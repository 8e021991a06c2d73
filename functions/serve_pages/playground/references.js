/** The reference images: chosen, checked, uploaded, put into order. */

import { Problem, upload } from "./api.js";
import { fill, make, sentence } from "./dom.js";
import { admit } from "./files.js";

/** With more than so many, the rows are lower. */
const FEW = 4;

export class References {
  /**
   * @param {{list: any, refused: any, onChange: () => void, most: () => number}} parts
   *   `refused`: says which files were not added and why, until the references are changed; nothing else writes there.
   *   `onChange`: something else would be sent now. `most`: how many references a job can take.
   */
  constructor({ list, refused, onChange, most }) {
    this.list = list;
    this.refused = refused;
    this.onChange = onChange;
    this.most = most;
    this.items = [];
    this.key = "";
    /** Files are looked at one selection after the other, so that their order is the order of choosing. */
    this.adding = Promise.resolve();
  }

  /** What a job names, in order: the ids of all that is uploaded. */
  get ids() {
    return this.items.filter((item) => item.id).map((item) => item.id);
  }

  get count() {
    return this.items.length;
  }

  get uploading() {
    return this.items.filter((item) => item.state === "uploading").length;
  }

  get missing() {
    return this.items.filter((item) => !item.id && item.state !== "uploading").length;
  }

  /** The images themselves, to be shown beside a result. @returns {{name: string, link: string}[]} */
  get pictures() {
    return this.items.filter((item) => item.link).map(({ name, link }) => ({ name, link }));
  }

  /** Adds what can be a reference and says why the rest can't. The count is checked before anything is uploaded. */
  add(files) {
    this.adding = this.adding.then(async () => {
      const { taken, refusals } = await admit(files, this.most() - this.items.length, this.most());
      for (const { file, type } of taken) {
        this.#append({ name: file.name || "pasted image", file, type, link: URL.createObjectURL(file) });
      }
      this.#refuse(refusals);
      this.#changed();
      this.#uploadAll();
      if (refusals.length) this.refused.scrollIntoView({ block: "nearest" });
    });
    return this.adding;
  }

  /** References that are uploaded already, as a job names them. */
  addStored(ids) {
    for (const id of ids) this.#append({ name: id.split("/").at(-1), id, isStored: true, state: "ready" });
    this.#changed();
  }

  clear() {
    for (const item of this.items) item.stop?.abort();
    this.items = [];
    this.#refuse([]);
    this.#changed();
  }

  /** An upload belongs to the key's tenant: under another key the file is uploaded again. `""`: no key to upload with. */
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

  /** Tries again what a lost connection interrupted. */
  resume() {
    for (const item of this.items) if (item.state === "failed" && item.wasCutOff) this.#upload(item);
  }

  /** Shows what the API has against single references. @param {Map<number, string>} faults by index */
  mark(faults) {
    let index = 0;
    for (const item of this.items) {
      item.message = item.id ? (faults.get(index++) ?? "") : item.message;
      this.#show(item);
    }
  }

  #refuse(reasons) {
    fill(this.refused, ...reasons.map((reason) => make("li", { dir: "auto" }, reason)));
    this.refused.hidden = !reasons.length;
  }

  #append(item) {
    const entry = { state: "waiting", share: 0, message: "", id: "", wasCutOff: false, ...item };
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
    const name = make("span", { class: "name", dir: "auto", title: item.name }, item.name);
    const text = make("div", { class: "text" }, parts.number, name, parts.note, parts.bar, parts.again);
    parts.row = make("li", {}, thumbnail, text, parts.earlier, parts.later, parts.remove);
    return parts;
  }

  #changed() {
    fill(this.list, ...this.items.map((item) => item.parts.row));
    this.list.hidden = !this.items.length;
    this.list.classList.toggle("many", this.items.length > FEW);
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
    note.textContent = item.message || (item.state === "waiting" ? "Not uploaded yet" : item.isStored ? "Uploaded earlier" : "");
    row.classList.toggle("faulty", Boolean(item.message));
    row.dataset.state = item.state;
  }

  #move(item, by) {
    const from = this.items.indexOf(item);
    const focused = document.activeElement;
    this.items.splice(from, 1);
    this.items.splice(from + by, 0, item);
    this.#refuse([]);
    this.#changed();
    // Moved elements lose the focus, and a button at the end of its way is disabled.
    const next = focused.disabled ? (by < 0 ? item.parts.later : item.parts.earlier) : focused;
    next.focus();
  }

  #remove(item) {
    const place = this.items.indexOf(item);
    item.stop?.abort();
    this.items.splice(place, 1);
    this.#refuse([]);
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
    Object.assign(item, { state: "uploading", share: 0, message: "", wasCutOff: false });
    this.#show(item);
    this.onChange();
    const onProgress = (share) => {
      item.parts.bar.value = item.share = share;
    };
    try {
      const id = await upload(this.key, item.file, { type: item.type, onProgress, signal });
      if (signal.aborted) return;
      Object.assign(item, { id, state: "ready" });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      // A wrong key is told at the key; once there is a right one, this goes on by itself.
      const failed = { state: "failed", message: sentence(error.message), wasCutOff: error.isUnanswered };
      Object.assign(item, error.isAboutTheKey ? { state: "waiting" } : failed);
    }
    this.#show(item);
    this.onChange();
  }
}
