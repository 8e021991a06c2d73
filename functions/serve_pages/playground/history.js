/** The jobs that this browser sent: ids, requests and times. Never the key, never a signed link. */

const MOST = 24;

export class History {
  /** @param {string} base the API that the jobs belong to */
  constructor(base) {
    this.place = `heliograph:history:${base}`;
  }

  /** Newest first. @returns {{id: string, sentAt: string, body: any}[]} */
  get entries() {
    try {
      const entries = JSON.parse(localStorage.getItem(this.place) ?? "[]");
      return Array.isArray(entries) ? entries.filter((entry) => entry?.id && entry?.body) : [];
    } catch {
      return []; // what is no longer readable, or a browser that keeps nothing
    }
  }

  add(id, body) {
    const others = this.entries.filter((entry) => entry.id !== id);
    this.#keep([{ id, sentAt: new Date().toISOString(), body }, ...others].slice(0, MOST));
  }

  clear() {
    this.#keep([]);
  }

  #keep(entries) {
    try {
      if (entries.length) localStorage.setItem(this.place, JSON.stringify(entries));
      else localStorage.removeItem(this.place);
    } catch {
      // No room, or not allowed: the page works without a history.
    }
  }
}
