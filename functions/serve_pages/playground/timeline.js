/** The steps of a job, oldest first, with what each took. */

import { fill, make, say, sentence } from "./dom.js";
import { story } from "./phases.js";
import { counted } from "./text.js";

const WORDS = {
  submitted: "Submitted",
  waiting: "Waiting",
  attempt: "Attempt",
  accepted: "Accepted",
  refused: "Refused",
  asked: "Polled",
  delivering: "Storing",
  cancel_requested: "Cancel requested",
  finished: "Finished",
  settled: "Settled",
};

/** @param {{list: any, note: any, all: any}} parts @param {{data: any[], complete: boolean} | null} timeline */
export function showTimeline({ list, note, all }, timeline) {
  const every = timeline?.data ?? [];
  const short = story(every);
  all.hidden = short.length === every.length;
  const isAll = all.getAttribute("aria-pressed") === "true";
  all.onclick = () => {
    all.setAttribute("aria-pressed", String(!isAll));
    showTimeline({ list, note, all }, timeline);
  };
  const steps = isAll ? every : short;
  const started = Date.parse(every[0]?.at);
  fill(list, ...steps.map((step, index) => row(step, started, !timeline.complete && index === steps.length - 1)));
  say(note, steps.length ? "" : "The steps of a job appear here as they happen.");
}

function row(step, started, isLast) {
  const word = WORDS[step.kind] ?? step.kind;
  const name = step.kind === "attempt" && step.attempt ? `${word} ${step.attempt}` : word;
  const detail = step.polls ? `Waiting for the provider. Polled ${counted(step.polls, "time")}` : step.detail;
  const isFault = step.kind === "refused" || (step.kind === "finished" && !step.detail.startsWith("succeeded"));
  return make(
    "li",
    { "data-kind": step.kind, "data-now": isLast, "data-fault": isFault },
    make("span", { class: "offset" }, `+${seconds(Date.parse(step.at) - started)}`),
    make("span", { class: "step" }, make("strong", {}, name), detail && make("span", { class: "note" }, sentence(detail))),
  );
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
