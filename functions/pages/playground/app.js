/** The playground: composes a job, says what it costs, sends it, and shows what becomes of it. */

import { BASE, call, newIdempotencyKey, Problem } from "./api.js";
import { byId, fill, make, mark, say, sentence, write } from "./dom.js";
import { follow } from "./follow.js";
import { History } from "./history.js";
import { Outcome, STATUS } from "./outcome.js";
import { Ratios, sizeOf } from "./ratios.js";
import { References } from "./references.js";
import { LANGUAGES } from "./snippets.js";
import { showTimeline } from "./timeline.js";

const AFTER_TYPING_MS = 500;
const REMEMBERED = `heliograph:key:${BASE}`;
const REFRESHED_AT_ONCE = 12;
/** Where a fault of the API is shown, by the first part of its pointer. */
const FAULTS = {
  prompt: "prompt",
  references: "references",
  aspect_ratio: "ratio",
  nsfw_checker: "filter",
  model: "model",
  policy: "policy",
};

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((element) => [element.id, element]));
const history = new History(BASE);
const references = new References({ list: page.references, fault: page["references-fault"], onChange: recompose });
const ratios = new Ratios({ group: page.ratios, onChange: recompose });
const outcome = new Outcome({
  section: page.outcome,
  stage: page.stage,
  report: page.report,
  onCancel: cancel,
  onRetry: retry,
  onReuse: reuse,
  onStale: (job) => open(job.id),
});

/** All that the page knows besides what is written in its fields. */
const state = {
  keyFault: "",
  isKnown: false,
  models: [],
  /** What the wish would cost; stale as soon as it changes. */
  quote: null,
  isQuoted: false,
  faulty: false,
  isSending: false,
  /** A call whose answer was lost: the same wish goes again under the same idempotency key. */
  unanswered: null,
  lastSent: "",
  /** The wish whose job runs on the stage: the very same again would be a slip of the finger, and paid. */
  making: "",
  /** The job on the stage. */
  shown: null,
  note: "",
  /** What is known of jobs, and the pictures that they were made from: gone with the page. */
  jobs: new Map(),
  pictures: new Map(),
  following: new AbortController(),
  quoting: new AbortController(),
  meeting: new AbortController(),
  refreshing: new AbortController(),
  language: "curl",
  code: { text: "", idempotencyKey: "" },
};

// ---- The key

function key() {
  return page.key.value.trim();
}

const keyTyped = later(AFTER_TYPING_MS, meet);

page.key.addEventListener("input", () => {
  Object.assign(state, { isKnown: false, keyFault: "", quote: null, isQuoted: false });
  remember();
  refresh();
  keyTyped();
});
page.key.addEventListener("keydown", (event) => {
  if (event.key === "Enter") keyTyped.now();
});
page.remember.addEventListener("change", remember);

function remember() {
  try {
    if (page.remember.checked && key()) localStorage.setItem(REMEMBERED, key());
    else localStorage.removeItem(REMEMBERED);
  } catch {
    page.remember.checked = false; // this browser keeps nothing
  }
}

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED) ?? "";
  } catch {
    return "";
  }
}

/** Finds out what the key opens. */
async function meet() {
  state.meeting.abort();
  state.refreshing.abort();
  if (!key()) return refresh();
  const { signal } = (state.meeting = new AbortController());
  try {
    const { body } = await call(key(), "GET", "v1/models", { signal });
    state.models = body.data;
    state.isKnown = true;
    offerModels();
  } catch (error) {
    if (signal.aborted) return;
    if (!takeKeyProblem(error)) {
      say(page["key-fault"], sentence(error.message));
      if (error.retryable) setTimeout(() => signal.aborted || meet(), (error.retryAfterSeconds || 5) * 1000);
      return;
    }
  }
  if (state.isKnown) references.use(key());
  recompose();
  if (state.isKnown) refreshHistory();
}

/** Whether the problem was one of the key; then it is told at the key. A missing scope is no wrong key. */
function takeKeyProblem(problem) {
  if (!(problem instanceof Problem)) throw problem;
  if (!problem.isAboutTheKey) return false;
  const isWrong = problem.code !== "insufficient_scope";
  state.keyFault = isWrong ? `Not accepted: ${problem.message}.` : `Accepted, but ${problem.message}.`;
  state.isKnown = !isWrong;
  refresh();
  return true;
}

// ---- What is wished for

/** The body of the call. What is left at its default is left out, but for what one would look for. */
function composed() {
  const { ids } = references;
  return {
    prompt: page.prompt.value,
    ...(ids.length && { references: ids }),
    aspect_ratio: ratios.value,
    nsfw_checker: page.filter.checked,
    ...(page.model.value && { model: page.model.value }),
    ...(!page.model.value && page.policy.value && { policy: page.policy.value }),
  };
}

/** What stands in the way of sending, and where to mend it. */
function obstacle() {
  if (!key()) return ["Needs your API key.", page.key];
  if (state.keyFault && !state.isKnown) return ["The key is not accepted.", page.key];
  if (!page.prompt.value.trim()) return ["Needs a prompt.", page.prompt];
  if (references.uploading) return ["Waits for your images to be uploaded.", page.pick];
  if (references.missing) return ["An image is not uploaded: try it again, or remove it.", page.pick];
  if (state.faulty) return ["Something is to be mended: see what is marked.", document.querySelector("[aria-invalid=true]") ?? page.prompt];
  if (state.making && state.making === JSON.stringify(composed())) return ["The very same is being made now.", page.outcome];
  if (!state.isQuoted) return ["Asks for the price…", page.generate];
  return null;
}

/** The composition has changed: its price may have, too. */
function recompose() {
  state.isQuoted = false;
  state.quoting.abort();
  if (!state.shown) outcome.empty(ratios.value);
  refresh();
  quoteSoon();
}

const quoteSoon = later(AFTER_TYPING_MS, quote);

async function quote() {
  state.quoting.abort();
  if (!key() || !state.isKnown || !page.prompt.value.trim() || references.uploading) return;
  const { signal } = (state.quoting = new AbortController());
  try {
    const { body } = await call(key(), "POST", "v1/jobs", { body: { ...composed(), dry_run: true }, signal });
    showFaults([]);
    Object.assign(state, { quote: body, isQuoted: true });
  } catch (error) {
    if (signal.aborted || takeKeyProblem(error)) return;
    state.quote = null;
    showFaults(error.errors);
    if (!error.errors.length) say(page["other-fault"], sentence(error.message));
    if (error.retryable) setTimeout(() => signal.aborted || quote(), (error.retryAfterSeconds || 5) * 1000);
  }
  refresh();
}

/** Every fault at its field; what belongs to no field, at the button. */
function showFaults(errors) {
  const found = Map.groupBy(errors, ({ pointer }) => FAULTS[pointer.split("/")[1]] ?? "other");
  for (const field of [...Object.values(FAULTS), "other"]) {
    const faults = (found.get(field) ?? []).filter(({ pointer }) => !/^\/references\/\d+$/.test(pointer));
    say(page[`${field}-fault`], sentence(faults.map(({ pointer, detail }) => (field === "other" && pointer ? `${pointer} ${detail}` : detail)).join("; ")));
    for (const control of controlsOf(field)) mark(control, "aria-invalid", faults.length);
  }
  const single = errors.flatMap(({ pointer, detail }) => (/^\/references\/(\d+)/.test(pointer) ? [[Number(pointer.split("/")[2]), detail]] : []));
  references.mark(new Map(single));
  if (found.has("model") || found.has("policy")) page.more.open = true;
  state.faulty = errors.length > 0;
}

function controlsOf(field) {
  if (field === "ratio") return page.ratios.querySelectorAll("input");
  return page[field]?.matches("input, textarea, select") ? [page[field]] : [];
}

function offerModels() {
  const chosen = page.model.value;
  const byName = Map.groupBy(state.models, ({ model }) => model);
  const options = [...byName].map(([model, routes]) => {
    const price = Math.min(...routes.map((route) => Number(route.price_usd)));
    const isClosed = routes.every((route) => route.circuit === "open");
    return make("option", { value: model }, `${model} · $${price}${isClosed ? " · out of service" : ""}`);
  });
  fill(page.model, make("option", { value: "" }, "By policy"), ...options);
  page.model.value = byName.has(chosen) ? chosen : "";
  offerRatios();
}

function offerRatios() {
  const routes = state.models.filter(({ model }) => !page.model.value || model === page.model.value);
  if (routes.length) ratios.offer([...new Set(routes.flatMap((route) => route.aspect_ratios))]);
}

page.prompt.addEventListener("input", recompose);
page.filter.addEventListener("change", recompose);
page.policy.addEventListener("change", recompose);
page.model.addEventListener("change", () => {
  page.policy.disabled = Boolean(page.model.value);
  offerRatios();
  recompose();
});

page.pick.addEventListener("click", () => page.files.click());
page.files.addEventListener("change", () => {
  references.add([...page.files.files]);
  page.files.value = "";
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    page.drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) page.drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  page.drop.classList.remove("over");
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  references.add([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  if (!event.clipboardData?.files.length) return;
  event.preventDefault();
  references.add([...event.clipboardData.files]);
});

// ---- Sending

page.composer.addEventListener("submit", (event) => event.preventDefault());
page.composer.addEventListener("keydown", (event) => {
  // A field's own Enter must never send: it costs money.
  if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
});
page.generate.addEventListener("click", (event) => {
  // The second click of a double click is no second wish.
  if (event.detail <= 1) generate();
});
page.prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  if (!event.repeat) generate();
});

function generate() {
  const found = obstacle();
  if (found) {
    found[1].focus();
    announce(found[0]);
  } else if (!state.isSending) {
    const body = composed();
    const text = JSON.stringify(body);
    const known = state.unanswered?.text === text && state.unanswered.idempotencyKey;
    send(body, known || newIdempotencyKey());
  }
}

async function send(body, idempotencyKey) {
  const pictures = references.pictures;
  const text = JSON.stringify(body);
  begin(body);
  outcome.sending(body.aspect_ratio);
  announce("Sending");
  try {
    const { body: job } = await call(key(), "POST", "v1/jobs", { body, idempotencyKey });
    Object.assign(state, { isSending: false, unanswered: null, lastSent: text });
    state.pictures.set(job.id, pictures);
    accept(job, body);
  } catch (error) {
    state.isSending = false;
    if (!(error instanceof Problem)) throw error;
    state.unanswered = error.retryable ? { text, idempotencyKey } : null;
    takeKeyProblem(error);
    if (error.errors.length) showFaults(error.errors);
    reject(error, () => send(body, idempotencyKey));
  }
}

async function retry(job) {
  const idempotencyKey = newIdempotencyKey();
  const body = bodyOf(job);
  const attempt = async () => {
    begin(body);
    try {
      const { body: next } = await call(key(), "POST", `v1/jobs/${job.id}/retry`, { idempotencyKey });
      state.isSending = false;
      state.pictures.set(next.id, state.pictures.get(job.id) ?? []);
      accept(next, body);
    } catch (error) {
      state.isSending = false;
      if (!(error instanceof Problem)) throw error;
      takeKeyProblem(error);
      reject(error, attempt);
    }
  };
  await attempt();
}

function begin(body) {
  state.following.abort();
  Object.assign(state, { isSending: true, shown: { id: "", body }, note: "" });
  showTimeline(timelineParts, null);
  page.outcome.scrollIntoView({ block: "nearest", behavior: isCalm() ? "auto" : "smooth" });
  refresh();
}

function accept(job, body) {
  history.add(job.id, body);
  learn(job);
  open(job.id, JSON.stringify(body));
}

function reject(problem, again) {
  outcome.problem(problem, again);
  announce(`Not accepted: ${problem.message}`);
  refresh();
}

async function cancel(job) {
  try {
    const { body } = await call(key(), "POST", `v1/jobs/${job.id}/cancel`);
    state.note = "";
    learn(body);
    announce("Cancel requested");
  } catch (error) {
    if (takeKeyProblem(error)) return;
    state.note = `Not canceled: ${error.message}.`;
  }
  if (state.shown?.id === job.id) showJob();
}

// ---- What becomes of it

const timelineParts = { list: page.timeline, note: page["timeline-note"] };

/** Puts a job on the stage and follows it to its end. `making`: the wish, if it was just sent. */
async function open(id, making = "") {
  state.following.abort();
  state.making = making;
  if (!key()) {
    announce("Needs your API key");
    return page.key.focus();
  }
  const { signal } = (state.following = new AbortController());
  const body = history.entries.find((entry) => entry.id === id)?.body ?? {};
  if (state.shown?.id !== id) showTimeline(timelineParts, null);
  Object.assign(state, { shown: { id, body }, note: "" });
  if (state.jobs.has(id)) showJob();
  refresh();
  try {
    await follow(key(), id, {
      signal,
      onNews: (job, timeline) => {
        const before = state.jobs.get(id)?.status;
        state.note = "";
        learn(job);
        showJob();
        showTimeline(timelineParts, timeline);
        if (job.status !== before || job.finished_at) announce(told(job));
        if (job.finished_at) made();
      },
      onTrouble: (problem) => {
        state.note = `${sentence(problem.message)} Asking again.`;
        if (state.jobs.has(id)) showJob();
      },
    });
  } catch (error) {
    if (signal.aborted) return;
    made();
    takeKeyProblem(error);
    outcome.problem(error);
  }
}

/** The same may be wished for again. */
function made() {
  state.making = "";
  refresh();
}

function showJob() {
  const job = state.jobs.get(state.shown.id);
  outcome.job(job, { pictures: state.pictures.get(job.id) ?? [], note: state.note });
}

function told(job) {
  const seconds = job.timings?.total_seconds;
  const took = job.finished_at && seconds ? ` after ${Number(seconds).toFixed(0)} seconds` : "";
  const why = job.failure ? `: ${job.failure.message}` : "";
  return `${STATUS[job.status] ?? job.status}${took}${why}`;
}

function learn(job) {
  state.jobs.set(job.id, job);
  showHistory();
}

/** Fills the composer with what a job was made from. */
function reuse(job) {
  const body = bodyOf(job);
  page.prompt.value = body.prompt;
  page.filter.checked = body.nsfw_checker;
  page.model.value = body.model ?? "";
  page.policy.value = body.policy ?? "";
  page.policy.disabled = Boolean(page.model.value);
  offerRatios();
  ratios.value = body.aspect_ratio;
  references.clear();
  references.addStored(body.references ?? []);
  page.prompt.focus();
}

/** As it was sent from here; else as the API says that it was. */
function bodyOf(job) {
  const sent = history.entries.find((entry) => entry.id === job.id)?.body;
  if (sent) return sent;
  const { prompt, references: names, aspect_ratio, nsfw_checker } = job.request;
  return { prompt, ...(names.length && { references: names }), aspect_ratio, nsfw_checker };
}

// ---- The same call as code

fill(
  page.languages,
  ...Object.entries(LANGUAGES).map(([id, { name }]) =>
    make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "code", "data-language": id, onclick: () => choose(id) }, name),
  ),
);
page.languages.addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const ids = Object.keys(LANGUAGES);
  choose(ids.at((ids.indexOf(state.language) + by) % ids.length));
  byId(`tab-${state.language}`).focus();
});
page.copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(page["code-text"].textContent);
    page.copy.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(page["code-text"]); // no clipboard for pages without TLS
    page.copy.textContent = "Selected: copy it by keyboard";
  }
  announce(page.copy.textContent);
  setTimeout(() => (page.copy.textContent = "Copy"), 2000);
});

function choose(language) {
  state.language = language;
  showCode();
}

/** Of the job on the stage; before there is one, of what would be sent. */
function showCode() {
  const body = state.shown?.body ?? composed();
  const text = JSON.stringify(body);
  if (text !== state.code.text) state.code = { text, idempotencyKey: newIdempotencyKey() };
  const code = LANGUAGES[state.language].of({ base: BASE, body, idempotencyKey: state.code.idempotencyKey });
  write(page["code-text"], code);
  for (const tab of page.languages.children) {
    const isChosen = tab.dataset.language === state.language;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
  }
  page.code.setAttribute("aria-labelledby", `tab-${state.language}`);
}

// ---- History

page.forget.addEventListener("click", () => {
  history.clear();
  showHistory();
  page.prompt.focus();
  announce("The history is cleared; the jobs and their pictures stay where they are");
});

/** Asks for the newest jobs that the page knows nothing of yet, one after the other. */
async function refreshHistory() {
  const { signal } = (state.refreshing = new AbortController());
  for (const { id } of history.entries.slice(0, REFRESHED_AT_ONCE)) {
    if (signal.aborted) return;
    if (state.jobs.has(id)) continue;
    try {
      learn((await call(key(), "GET", `v1/jobs/${id}`, { signal })).body);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) return; // another key's, or of long ago
    }
  }
}

function showHistory() {
  const { entries } = history;
  const focused = document.activeElement?.dataset?.job;
  fill(page.history, ...entries.map(tile));
  if (focused) page.history.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus();
  page.forget.hidden = !entries.length;
  say(page["history-note"], entries.length ? "" : "Jobs that you send from here are kept in this browser: their ids, requests and times.");
}

function tile({ id, sentAt, body }) {
  const job = state.jobs.get(id);
  const url = job?.results?.[0]?.url;
  const when = new Date(sentAt).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  const status = job ? (STATUS[job.status] ?? job.status) : "";
  const [width, height] = sizeOf(body.aspect_ratio ?? "auto", 100);
  const inside = url ? make("img", { src: url, alt: "", loading: "lazy" }) : make("span", { class: "no-picture" }, status);
  inside.style.setProperty("--ratio", String(width / height));
  const options = {
    type: "button",
    "data-job": id,
    "aria-current": state.shown?.id === id ? "true" : null,
    title: `${body.prompt}\n${when}`,
    onclick: () => open(id),
  };
  const name = make("span", { class: "visually-hidden" }, `${body.prompt}, ${status ? `${status}, ` : ""}${when}`);
  return make("li", {}, make("button", options, inside, name));
}

// ---- All of it together

/** What follows from the fields and the state, shown. */
function refresh() {
  say(page["key-fault"], state.keyFault);
  mark(page.key, "aria-invalid", state.keyFault);
  page["key-mark"].hidden = !state.isKnown || Boolean(state.keyFault);

  const found = obstacle();
  page.generate.setAttribute("aria-disabled", String(Boolean(found) || state.isSending));
  const isRepeat = state.lastSent === JSON.stringify(composed());
  write(page.generate, state.isSending ? "Sending…" : isRepeat ? "Generate again" : "Generate");
  say(page.why, state.isSending ? "" : (found?.[0] ?? (isRepeat ? "The same again is another picture, at its own price." : "")));

  write(page.amount, state.quote ? `$${state.quote.price_usd}` : "–");
  write(page.terms, state.quote ? termsOf(state.quote) : "the price comes before you send");
  page.price.classList.toggle("stale", !state.isQuoted);
  showCode();
  for (const button of page.history.querySelectorAll("button")) {
    mark(button, "aria-current", button.dataset.job === state.shown?.id);
  }
}

function termsOf({ price_usd, price_usd_at_most, routes }) {
  const most = price_usd_at_most === price_usd ? "" : `, at most $${price_usd_at_most} if another route takes over`;
  return `by ${routes[0].model}${most}`;
}

function announce(text) {
  page.status.textContent = text;
}

function isCalm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Does it once nothing has happened for a while; `now` does it at once. */
function later(milliseconds, act) {
  let timer = 0;
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds);
  };
  return Object.assign(start, { now: () => (clearTimeout(timer), act()) });
}

page.key.value = remembered();
page.remember.checked = Boolean(page.key.value);
showHistory();
recompose();
if (key()) meet();
