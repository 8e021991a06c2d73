/** What became of a call: waiting, a picture, or a failure with its reason, its price and what to do. */

import { frameOf, pictureOf } from "./compare.js";
import { fill, make, sentence } from "./dom.js";
import { sizeOf } from "./ratios.js";

export const STATUS = {
  queued: "Queued",
  processing: "Processing",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Canceled",
  expired: "Expired",
};
const MONEY = { no: "It cost nothing.", yes: "It was charged.", unknown: "Whether it was charged is not known." };
const TICK_MS = 100;

export class Outcome {
  /** @param {{section: any, stage: any, report: any, onCancel: Function, onRetry: Function, onReuse: Function, onStale: Function}} parts */
  constructor({ section, stage, report, ...acts }) {
    Object.assign(this, { section, stage, report, acts, shown: "", timer: 0 });
  }

  /** Nothing yet: the shape of what is to come. */
  empty(ratio) {
    this.#place("empty " + ratio, () => [
      [emptyFrame(ratio, make("p", {}, "Your picture appears here."))],
      [],
    ]);
  }

  /** A call is on its way, and there is no job yet. */
  sending(ratio) {
    this.#place("sending", () => [[workingFrame(ratio, make("p", { class: "state" }, "Sending…"))], []]);
  }

  /**
   * A job as it is now.
   * @param {any} job
   * @param {{pictures: {name: string, link: string}[], note: string}} beside
   */
  job(job, { pictures, note }) {
    const [result] = job.results ?? [];
    const face = [job.id, job.status, job.cancel_requested_at, job.attempts.length, result?.url, note].join(" ");
    this.#place(face, () => {
      if (job.status === "succeeded" && result) return [[this.#picture(job, result, pictures)], [this.#facts(job, result), noted(note)]];
      if (job.finished_at) return [[this.#ended(job)], [this.#facts(job), noted(note)]];
      return [[this.#waiting(job)], [noted(note)]];
    });
  }

  /** A call that came to nothing, as far as is known. @param {() => void} [again] what trying again does */
  problem(problem, again) {
    const button = again && problem.retryable && make("button", { type: "button", class: "primary", onclick: again }, "Try again");
    const about = { title: problem.isUnanswered ? "No answer" : "Not accepted", code: problem.code, message: problem.message };
    const card = failureCard({ ...about, retryable: problem.retryable, charged: problem.charged, id: problem.requestId && `Request ${problem.requestId}` }, button);
    this.#place(`problem ${Math.random()}`, () => [[card], []]);
  }

  #place(face, build) {
    if (face === this.shown) return;
    this.shown = face;
    clearInterval(this.timer);
    const hadFocus = this.section.contains(document.activeElement) && document.activeElement !== this.section;
    const [stage, report] = build();
    fill(this.stage, ...stage);
    fill(this.report, ...report);
    if (hadFocus) this.section.focus({ preventScroll: true });
  }

  #picture(job, result, pictures) {
    return pictureOf(result, pictures, { alt: job.request.prompt, onUnreadable: () => this.acts.onStale(job) });
  }

  #waiting(job) {
    const elapsed = make("span", { class: "elapsed", "aria-hidden": "true" });
    const tick = () => {
      elapsed.textContent = `${Math.max(0, (Date.now() - Date.parse(job.created_at)) / 1000).toFixed(1)} s`;
    };
    tick();
    this.timer = setInterval(tick, TICK_MS);
    const asked = job.cancel_requested_at;
    const cancel = make(
      "button",
      { type: "button", disabled: Boolean(asked), onclick: () => this.acts.onCancel(job) },
      asked ? "Cancel requested" : "Cancel",
    );
    const state = make("p", { class: "state" }, STATUS[job.status] ?? job.status);
    return workingFrame(job.request.aspect_ratio, state, elapsed, cancel, job.attempts.length > 0 && runsOn());
  }

  #ended(job) {
    const failure = job.failure ?? {};
    const options = { type: "button", class: failure.retryable ? "primary" : null, onclick: () => this.acts.onRetry(job) };
    const retry = make("button", options, "Retry as a new job");
    const about = {
      title: STATUS[job.status] ?? job.status,
      code: failure.code,
      message: failure.message ?? (job.status === "canceled" ? "It was canceled before there was a picture." : ""),
      retryable: failure.retryable,
      charged: failure.charged ?? job.charged ?? "unknown",
      id: `Job ${job.id}`,
    };
    return failureCard(about, retry, ...savedElsewhere(job.provider_urls ?? []));
  }

  #facts(job, result) {
    const seconds = job.timings?.total_seconds;
    const route = job.attempts?.at(-1);
    const facts = [
      result && ["Size", `${result.width} × ${result.height}`],
      seconds !== null && seconds !== undefined && ["Time", `${Number(seconds).toFixed(1)} s`],
      job.price_usd && ["Price", `$${job.price_usd}`],
      route && ["Model", route.model],
    ].filter(Boolean);
    const list = make("dl", { class: "facts" }, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
    const reuse = make("button", { type: "button", class: "small", onclick: () => this.acts.onReuse(job) }, "Use these settings");
    return make("div", { class: "report" }, list, make("div", { class: "acts" }, result && this.#download(job, result), reuse));
  }

  #download(job, result) {
    const name = `${job.id}.${result.key.split(".").at(-1)}`;
    // A store at another origin opens it instead: there, only it could tell the browser to save.
    const options = { href: result.url, download: name, target: "_blank", rel: "noopener noreferrer", class: "button small" };
    const link = make("a", options, "Download");
    link.addEventListener("click", (event) => {
      if (Date.parse(result.url_expires_at) > Date.now()) return;
      event.preventDefault();
      this.acts.onStale(job);
    });
    return link;
  }
}

/** Nobody should pay for a picture that they then don't get without having been told. */
function runsOn() {
  return make("p", { class: "note" }, "Its task runs on at the provider: canceled now, it may be charged without a picture.");
}

function emptyFrame(ratio, ...children) {
  const inside = make("div", { class: "inside" }, ...children);
  const frame = frameOf(...sizeOf(ratio, 100), inside);
  frame.classList.add("empty");
  return frame;
}

function workingFrame(ratio, ...children) {
  const frame = emptyFrame(ratio, ...children);
  frame.classList.add("working");
  return frame;
}

function failureCard({ title, code, message, retryable, charged, id }, ...acts) {
  const retry = retryable === undefined || retryable === null ? "" : retryable ? "Trying again may help." : "Trying the same again will not help.";
  return make(
    "div",
    { class: "failure", "data-charged": charged },
    make("h2", {}, title, code && make("code", {}, code)),
    message && make("p", {}, sentence(message)),
    make("p", { class: "money" }, MONEY[charged] ?? MONEY.unknown, retry && ` ${retry}`),
    make("div", { class: "acts" }, ...acts),
    id && make("p", { class: "note" }, id),
  );
}

/** Pictures that are paid and could not be stored: the provider keeps them for some days. */
function savedElsewhere(urls) {
  const safe = urls.filter((url) => /^https?:/.test(url));
  return safe.map((url, index) =>
    make("a", { href: url, target: "_blank", rel: "noopener noreferrer", class: "button" }, `Picture ${index + 1} at the provider`),
  );
}

function noted(note) {
  return note && make("p", { class: "note", role: "status" }, note);
}
