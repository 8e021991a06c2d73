/** What became of a call: waiting, an image, or a failure with its reason, its price and what to do. */

import { adviceOnCall, adviceOnJob } from "./advice.js";
import { frameOf, pictureOf } from "./compare.js";
import { fill, make, sentence } from "./dom.js";
import { expectation, phaseOf, STATUS } from "./phases.js";
import { sizeOf } from "./ratios.js";
import { moment } from "./text.js";

const TICK_MS = 100;
/** How often the link of one image is renewed before the page says that it can't be loaded. */
const MOST_RENEWALS = 2;
/** Prompts to begin with. */
const EXAMPLES = {
  "White background": "The product of image 1 on a pure white background, soft shadow below, centered, true to its colors",
  Lifestyle: "A ceramic mug on a wooden kitchen table, morning light from a window, shallow depth of field",
  Banner: "A wide banner for an autumn sale: warm colors, falling leaves at the sides, empty space in the middle",
};

export class Outcome {
  /**
   * @param {{section: any, stage: any, report: any, onCancel: Function, onRetry: Function, onReuse: Function,
   *   onStale: Function, onKey: Function, onEdit: Function, onExample: Function, priceOf: Function, usual: Function}} parts
   */
  constructor({ section, stage, report, ...acts }) {
    Object.assign(this, { section, stage, report, acts, shown: "", timer: 0, renewed: { id: "", times: 0 } });
  }

  /** Nothing yet: the shape of what is to come, and prompts to begin with. */
  empty(ratio) {
    this.#place("empty " + ratio, () => {
      const examples = Object.entries(EXAMPLES).map(([name, prompt]) =>
        make("button", { type: "button", class: "small chip", onclick: () => this.acts.onExample(prompt) }, name),
      );
      const inside = [make("p", {}, "Your image appears here."), make("p", { class: "note" }, "Start from an example:"), make("div", { class: "acts" }, ...examples)];
      return [[emptyFrame(ratio, ...inside)], []];
    });
  }

  /** A call is on its way, and there is no job yet. */
  sending(ratio) {
    this.#place("sending", () => [[workingFrame(ratio, make("p", { class: "state" }, "Sending the request…"))], []]);
  }

  /** A job that the page was opened for is being fetched. */
  loading() {
    this.#place("loading", () => [[workingFrame("auto", make("p", { class: "state" }, "Loading the job…"))], []]);
  }

  /** A job that the page was opened for, and no key yet to fetch it with. */
  locked(id) {
    this.#place(`locked ${id}`, () => {
      const button = make("button", { type: "button", class: "primary", onclick: () => this.acts.onKey() }, "Enter your key");
      return [[emptyFrame("auto", make("p", { class: "state" }, "Paste your API key to show this job."), make("p", { class: "note" }, id), button)], []];
    });
  }

  /**
   * A job as it is now.
   * @param {any} job
   * @param {{pictures: {name: string, link: string}[], note: string, reason: string, queue: string}} beside
   *   `reason`: why the workflow waits; `queue`: how many jobs are ahead
   */
  job(job, { pictures, note, reason = "", queue = "" }) {
    const [result] = job.results ?? [];
    const phase = phaseOf(job);
    const face = JSON.stringify([job.id, job.status, phase, job.charged, job.notice, result?.url, note, this.renewed, phase.isWaiting && [reason, queue]]);
    this.#place(face, () => {
      const picture = result && (this.#isUnreadable(job) ? this.#unreadable(job, result) : this.#picture(job, result, { pictures, note, reason, queue }));
      if (result) return [[picture], [this.#late(job), this.#facts(job, result), noted(note)]];
      if (job.finished_at) return [[this.#ended(job)], [this.#facts(job), noted(note)]];
      return [[this.#waiting(job, phase, [reason && sentence(reason), queue])], [noted(note)]];
    });
  }

  /** A call that came to nothing, as far as is known. @param {() => void} [again] what trying again does */
  problem(problem, again) {
    const advice = adviceOnCall(problem, { now: new Date(), canRepeat: Boolean(again) });
    const acts = { again, key: () => this.acts.onKey(), edit: () => this.acts.onEdit() };
    const card = failureCard(advice, { code: problem.isUnanswered ? "" : problem.code, charged: problem.charged, id: problem.requestId && `Request ${problem.requestId}` }, acts);
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

  /** Its link was renewed often enough: more of the same would go on for ever. */
  #isUnreadable(job) {
    return this.renewed.id === job.id && this.renewed.times > MOST_RENEWALS;
  }

  #picture(job, result, beside) {
    const onUnreadable = () => {
      this.renewed = { id: job.id, times: this.renewed.id === job.id ? this.renewed.times + 1 : 1 };
      if (this.#isUnreadable(job)) this.job(job, beside);
      else this.acts.onStale(job);
    };
    return pictureOf(result, beside.pictures, { alt: job.request.prompt, onUnreadable });
  }

  #unreadable(job, result) {
    const again = () => {
      this.renewed = { id: "", times: 0 };
      this.acts.onStale(job);
    };
    const frame = frameOf(result.width, result.height, make("div", { class: "inside" }, make("p", { class: "state" }, "The image can’t be loaded."), make("p", { class: "note" }, "It is stored. Check your connection, then load it again."), make("button", { type: "button", onclick: again }, "Load again")));
    frame.classList.add("empty");
    return frame;
  }

  #waiting(job, phase, reasons) {
    const elapsed = make("span", { class: "elapsed", "aria-hidden": "true" });
    const expected = make("p", { class: "note expected" });
    const deadline = job.deadline_at ? moment(new Date(job.deadline_at), new Date()).replace(/^today at /, "") : "";
    const tick = () => {
      const seconds = Math.max(0, (Date.now() - Date.parse(job.created_at)) / 1000);
      elapsed.textContent = `${seconds.toFixed(1)} s`;
      const told = expectation(this.acts.usual(), seconds, deadline);
      if (expected.textContent !== told) expected.textContent = told;
    };
    tick();
    this.timer = setInterval(tick, TICK_MS);
    const asked = job.cancel_requested_at;
    const cancel = make(
      "button",
      { type: "button", disabled: Boolean(asked), onclick: () => this.acts.onCancel(job) },
      asked ? "Cancel requested" : "Cancel",
    );
    const hints = [phase.hint, ...reasons].filter(Boolean).map((hint) => make("p", { class: "note" }, hint));
    const state = make("p", { class: "state" }, phase.name);
    return workingFrame(job.request.aspect_ratio, state, elapsed, expected, ...hints, cancel, phase.cancelHint && make("p", { class: "note" }, phase.cancelHint));
  }

  #ended(job) {
    const advice = adviceOnJob(job, { now: new Date(), status: STATUS[job.status] ?? job.status, price: this.acts.priceOf(job) });
    const acts = { rerun: () => this.acts.onRetry(job), edit: () => this.acts.onReuse(job) };
    const about = { code: job.failure?.code, charged: job.charged ?? job.failure?.charged ?? "unknown", id: `Job ${job.id}` };
    return failureCard(advice, about, acts, ...savedElsewhere(job.provider_urls ?? []));
  }

  /** An image that came after its job had ended: the status stays what it was, and the page says both. */
  #late(job) {
    if (job.status === "succeeded") return null;
    const status = (STATUS[job.status] ?? job.status).toLowerCase();
    return make("p", { class: "banner report-note", role: "status" }, `The job ended as ${status}. Its image arrived later and is stored.`);
  }

  #facts(job, result) {
    const seconds = job.timings?.total_seconds;
    const route = job.attempts?.at(-1);
    const facts = [
      result && job.status !== "succeeded" && ["Status", STATUS[job.status] ?? job.status],
      result && ["Size", `${result.width} × ${result.height}`],
      seconds !== null && seconds !== undefined && ["Time", `${Number(seconds).toFixed(1)} s`],
      ["Price", priceOf(job)],
      job.reused_from ? ["Reused from", job.reused_from] : route && ["Model", route.model],
    ].filter(Boolean);
    const list = make("dl", { class: "facts" }, ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
    // A failure's card has a button of its own for that.
    const reuse = result && make("button", { type: "button", class: "small", onclick: () => this.acts.onReuse(job) }, "Use these settings");
    return make("div", { class: "report" }, list, result && make("div", { class: "acts" }, this.#download(job, result), reuse));
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

/** What a finished job cost, in words that never contradict its status. */
export function priceOf(job) {
  if (job.charged === "unknown") return "Not known";
  if (job.charged === "no") return job.reused_from ? "Free (reused)" : "Not charged";
  return job.price_usd ? `$${job.price_usd}` : "–";
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

/** Shows an `Advice` of advice.js. */
function failureCard({ title, lines, money, acts }, { code, charged, id }, onAct, ...others) {
  const buttons = acts.map(({ act, label, isPrimary }) => make("button", { type: "button", class: isPrimary ? "primary" : null, onclick: onAct[act] }, label));
  return make(
    "div",
    { class: "failure", "data-charged": charged },
    make("h2", {}, title, code && make("code", {}, code)),
    ...lines.map((line) => make("p", { dir: "auto" }, line)),
    money && make("p", { class: "money" }, money),
    make("div", { class: "acts" }, ...buttons, ...others),
    id && make("p", { class: "note" }, id),
  );
}

/** Images that are paid and could not be stored: the provider keeps them for some days. */
function savedElsewhere(urls) {
  const safe = urls.filter((url) => /^https?:/.test(url));
  return safe.map((url, index) =>
    make("a", { href: url, target: "_blank", rel: "noopener noreferrer", class: "button" }, `Image ${index + 1} at the provider`),
  );
}

function noted(note) {
  return note && make("p", { class: "note", role: "status" }, note);
}
