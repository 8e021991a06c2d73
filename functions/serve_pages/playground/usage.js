/** What was spent today and in the last 30 days, in a panel of the header. */

import { call, Problem } from "./api.js";
import { fill, make, sentence } from "./dom.js";
import { number } from "./text.js";

/** @param {{panel: any, body: any, key: () => string, canRead: () => boolean}} parts */
export function offerUsage({ panel, body, key, canRead }) {
  const say = (...children) => fill(body, ...children);
  panel.addEventListener("toggle", async () => {
    if (!panel.open) return;
    if (!key()) return say(make("p", {}, "Paste your API key to see what was spent."));
    if (!canRead()) return say(make("p", {}, "This key can’t show usage. Use a key with the scope jobs:read."));
    say(make("p", {}, "Loading…"));
    try {
      const { body: usage } = await call(key(), "GET", "v1/usage");
      say(...report(usage, new Date().toISOString().slice(0, 10)));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      say(make("p", { class: "fault" }, sentence(error.message)));
    }
  });
  document.addEventListener("click", (event) => {
    if (panel.open && !panel.contains(event.target)) panel.open = false;
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !panel.open) return;
    panel.open = false;
    panel.querySelector("summary").focus();
  });
}

function report({ data }, today) {
  const of = (lines) => {
    const spent = lines.reduce((sum, line) => sum + Number(line.spent_usd), 0);
    const images = lines.reduce((sum, line) => sum + (line.images ?? line.pictures ?? 0), 0);
    return `${number(images)} · $${spent.toFixed(2)}`;
  };
  const unknown = data.reduce((sum, line) => sum + Number(line.unknown_usd), 0);
  const rows = [
    ["Today (UTC)", of(data.filter((line) => line.day === today))],
    ["Last 30 days", of(data)],
    unknown > 0 && ["Not known whether charged", `$${unknown.toFixed(2)}`],
  ].filter(Boolean);
  const list = make("dl", {}, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  return [list, make("p", { class: "note" }, "Images and cost of all jobs that this key can see.")];
}
