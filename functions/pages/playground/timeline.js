/** The steps of a job, oldest first, with what each took. */

import { fill, make, say } from "./dom.js";

const WORDS = {
  submitted: "Submitted",
  waiting: "Waiting",
  attempt: "Attempt",
  accepted: "Accepted",
  refused: "Refused",
  asked: "Asked",
  delivering: "Delivering",
  cancel_requested: "Cancel requested",
  finished: "Finished",
};

/** @param {{list: any, note: any}} parts @param {{data: any[], complete: boolean} | null} timeline */
export function showTimeline({ list, note }, timeline) {
  const steps = timeline?.data ?? [];
  const started = Date.parse(steps[0]?.at);
  fill(list, ...steps.map((step, index) => row(step, started, !timeline.complete && index === steps.length - 1)));
  say(note, steps.length ? "" : "Every step of a job appears here as it happens.");
}

function row(step, started, isLast) {
  const word = WORDS[step.kind] ?? step.kind;
  const name = step.kind === "attempt" && step.attempt ? `${word} ${step.attempt}` : word;
  const took = step.until && seconds(Date.parse(step.until) - Date.parse(step.at));
  return make(
    "li",
    { "data-kind": step.kind, "data-now": isLast },
    make("span", { class: "offset" }, `+${seconds(Date.parse(step.at) - started)}`),
    make("span", { class: "step" }, make("strong", {}, name), step.detail && make("span", { class: "note" }, step.detail)),
    make("span", { class: "took" }, took ?? ""),
  );
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
