/** What this tab keeps of the form, so that a reload loses nothing. Never the key, never a file. */

export class Draft {
  /** @param {string} base the API that it is for */
  constructor(base) {
    this.place = `heliograph:draft:${base}`;
  }

  /** @returns {any} what was kept; null if nothing was */
  read() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.place) ?? "null");
      return kept && typeof kept.prompt === "string" ? kept : null;
    } catch {
      return null; // not readable, or a browser that keeps nothing
    }
  }

  keep(body) {
    try {
      sessionStorage.setItem(this.place, JSON.stringify(body));
    } catch {
      // No room, or not allowed: the page works without a draft.
    }
  }

  clear() {
    try {
      sessionStorage.removeItem(this.place);
    } catch {
      // There is none.
    }
  }
}
