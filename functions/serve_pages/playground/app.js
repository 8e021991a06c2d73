/** The playground: composes a job, shows its price, sends it, and follows it to its end. */

import { keyNotice, keyObstacle, pastedKey, uploadingObstacle } from "./access.js";
import { misfit } from "./advice.js";
import { BASE, call, newIdempotencyKey, Problem } from "./api.js";
import { byId, fill, make, mark, say, sentence, write } from "./dom.js";
import { Draft } from "./drafts.js";
import { follow } from "./follow.js";
import { History } from "./history.js";
import { Outcome, priceOf } from "./outcome.js";
import { phaseOf, placeInQueue, usualSeconds, waitingReason } from "./phases.js";
import { Ratios, sizeOf } from "./ratios.js";
import { References } from "./references.js";
import { LANGUAGES } from "./snippets.js";
import { counted, duration, grouped, number } from "./text.js";
import { showTimeline } from "./timeline.js";
import { offerUsage } from "./usage.js";

const AFTER_TYPING_MS = 500;
const REMEMBERED = `heliograph:key:${BASE}`;
const REFRESHED_AT_ONCE = 12;
/** As the API has it; shown until the models tell theirs. */
const MOST_REFERENCES = 16;
/** A price that does not fit may fit later: after so long it is asked for again. */
const MISFIT_AGAIN_MS = 60_000;
const FIRST_QUEUE_MS = 3_000;
const QUEUE_AGAIN_MS = 10_000;
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
const draft = new Draft(BASE);
const references = new References({
  list: page.references,
  refused: page["references-refused"],
  onChange: recompose,
  most: () => limits().references,
});
const ratios = new Ratios({ group: page.ratios, onChange: recompose });
const outcome = new Outcome({
  section: page.outcome,
  stage: page.stage,
  report: page.report,
  onCancel: cancel,
  onRetry: retry,
  onReuse: reuse,
  onStale: (job) => open(job.id, { isNew: false }),
  onKey: () => page.key.focus(),
  onEdit: () => page.prompt.focus(),
  onExample: (prompt) => {
    page.prompt.value = prompt;
    recompose();
    page.prompt.focus();
  },
  priceOf: (job) => job.attempts?.at(-1)?.price_usd ?? state.quote?.price_usd ?? null,
  usual: () => state.usual,
});
offerUsage({ panel: page.usage, body: page["usage-body"], key, canRead: () => state.access.canRead !== false });

/** All that the page knows besides what is written in its fields. Every message on the page follows from it. */
const state = {
  /** What the key can do here: an `Access` of access.js. */
  access: { status: "none" },
  /** The key that was last found out about. */
  metKey: "",
  models: [],
  isSpendingPaused: false,
  /** How long images usually take, in seconds. */
  usual: usualSeconds([]),
  isUsualKnown: false,
  /** The API's answer to a dry run, and whether it is of what the form holds now. */
  quote: null,
  isQuoted: false,
  /** Why there is no price; what will be done about it. */
  quoteTrouble: "",
  /** What a dry run said before there was a prompt: whether the budget has anything left. */
  probe: null,
  /** What the API has against the request, by its last answer. */
  faults: [],
  isSending: false,
  /** A call whose answer was lost: the same request is sent again under the same idempotency key. */
  unanswered: null,
  lastSent: "",
  /** The request whose job runs on the stage: the very same again would be a slip of the finger, and paid. */
  making: "",
  /** The job on the stage. */
  shown: null,
  note: "",
  reason: "",
  queue: { text: "", askedAt: 0 },
  /** What is known of jobs, and the images that they were made from: gone with the page. */
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
  return pastedKey(page.key.value);
}

const keyTyped = later(AFTER_TYPING_MS, meet);

page.key.addEventListener("input", () => {
  state.meeting.abort();
  Object.assign(state, { access: { status: key() ? "checking" : "none" }, quote: null, isQuoted: false, quoteTrouble: "", probe: null });
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

/** Finds out what the key can do, and says at once what it can't. */
async function meet() {
  state.meeting.abort();
  state.refreshing.abort();
  const typed = key();
  if (!typed) {
    Object.assign(state, { access: { status: "none" }, quote: null, isQuoted: false, probe: null });
    references.use("");
    return recompose();
  }
  const { signal } = (state.meeting = new AbortController());
  state.access = { status: "checking" };
  refresh();
  // Where a price can be asked for, that answer says whether the key can create jobs.
  const probe = canBeQuoted() ? null : answerOf(typed, "POST", "v1/jobs", { body: { prompt: "A check of this key", dry_run: true }, signal });
  const [models, dryRun] = await Promise.all([answerOf(typed, "GET", "v1/models", { signal }), probe]);
  if (signal.aborted) return;
  const problems = [models, dryRun].filter((answer) => answer instanceof Problem);
  const wrong = problems.find((problem) => problem.isAboutTheKey && !isOfScope(problem));
  const trouble = models instanceof Problem && !isOfScope(models) && models;
  if (wrong || trouble) {
    state.access = wrong ? { status: "refused", problem: wrong } : { status: "unreachable", problem: trouble };
    const again = !wrong && trouble.retryable;
    if (again) setTimeout(() => signal.aborted || meet(), (trouble.retryAfterSeconds || 5) * 1000);
    return refresh();
  }
  if (typed !== state.metKey) {
    // What another key may see, this one may not.
    state.jobs.clear();
    Object.assign(state, { metKey: typed, isUsualKnown: false, usual: usualSeconds([]) });
    showHistory();
  }
  const canRead = !(models instanceof Problem);
  const canWrite = !(dryRun instanceof Problem && isOfScope(dryRun));
  state.access = { status: "known", canRead, canWrite };
  state.models = canRead ? models.body.data : [];
  state.isSpendingPaused = canRead && models.body.spending_paused === true;
  state.probe = dryRun?.body ?? null;
  offerModels();
  references.use(canWrite ? typed : "");
  recompose();
  if (!canRead) return;
  refreshHistory();
  const wanted = jobInAddress() || state.shown?.id;
  if (wanted) open(wanted, { isNew: false });
}

/** The answer, or the problem that it was; nothing is thrown but what is no problem of the API. */
async function answerOf(...call_) {
  try {
    return await call(...call_);
  } catch (error) {
    const signal = call_.at(-1)?.signal;
    if (error instanceof Problem || signal?.aborted) return error;
    throw error;
  }
}

function isOfScope(problem) {
  return problem.code === "insufficient_scope";
}

/**
 * Whether the problem was one of the key; then it is told at the key. `needed`: what the key would have to be able to.
 * @param {any} problem
 * @param {"canRead" | "canWrite"} needed
 */
function takeKeyProblem(problem, needed) {
  if (!(problem instanceof Problem)) throw problem;
  if (!problem.isAboutTheKey) return false;
  const known = { canRead: true, canWrite: true, ...state.access, status: "known", [needed]: false };
  state.access = isOfScope(problem) ? known : { status: "refused", problem };
  refresh();
  return true;
}

// ---- The connection

function isOffline() {
  return navigator.onLine === false;
}

window.addEventListener("offline", refresh);
window.addEventListener("online", () => {
  references.resume();
  if (state.access.status === "unreachable") meet();
  else recompose();
});

// ---- The request

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

/** What the chosen model takes; of any model where none is chosen. */
function limits() {
  const routes = state.models.filter(({ model }) => !page.model.value || model === page.model.value);
  return {
    characters: Math.max(0, ...routes.map((route) => route.longest_prompt)) || Infinity,
    references: Math.max(0, ...routes.map((route) => route.max_references)) || MOST_REFERENCES,
  };
}

/** As the API counts: characters, not UTF-16 units. */
function promptLength() {
  return [...page.prompt.value].length;
}

/** What can be told without the API. */
function ownFaults() {
  const most = limits();
  const over = references.count - most.references;
  const taker = page.model.value || "A job";
  return {
    prompt: promptLength() > most.characters ? `The prompt has ${number(promptLength())} characters. The limit is ${number(most.characters)}.` : "",
    references: over > 0 ? `${taker} takes up to ${counted(most.references, "reference image")}. Remove ${number(over)}.` : "",
  };
}

function hasOwnFaults() {
  return Object.values(ownFaults()).some(Boolean);
}

function hasPrompt() {
  return Boolean(page.prompt.value.trim());
}

/** Whether a dry run of the form can be of any use. */
function canBeQuoted() {
  return hasPrompt() && !references.uploading && !hasOwnFaults();
}

/** What the newest answer of a dry run says that does not fit; null where there is none. */
function misfitNow() {
  const answer = state.isQuoted ? state.quote : hasPrompt() ? null : state.probe;
  return misfit(answer, new Date());
}

/** Why nothing can be sent, where that is changed, and whether it is a fault; null where nothing is in the way. */
function obstacle() {
  if (isOffline()) return ["You are offline.", page.generate];
  const ofKey = keyObstacle(state.access);
  if (ofKey) return [ofKey, page.key];
  const unfit = misfitNow();
  if (unfit?.isRefusal) return [unfit.text, page.generate, true];
  if (!hasPrompt()) return ["Enter a prompt.", page.prompt];
  if (references.uploading) return [uploadingObstacle(references.uploading), page.pick];
  if (references.missing) return ["Some images are not uploaded. Try again or remove them.", page.pick];
  if (state.faults.length || hasOwnFaults()) return ["Fix the marked fields.", document.querySelector("[aria-invalid=true]") ?? page.prompt];
  if (state.making && state.making === JSON.stringify(composed())) return ["This image is being made now.", page.outcome];
  if (state.quoteTrouble) return [state.quoteTrouble, page.generate, true];
  if (!state.isQuoted) return ["Getting the price…", page.generate];
  return null;
}

/** The form has changed: its price may have, too. */
function recompose() {
  state.isQuoted = false;
  state.quoteTrouble = "";
  state.quoting.abort();
  if (!hasPrompt()) state.faults = [];
  draft.keep(composed());
  if (!state.shown) outcome.empty(ratios.value);
  refresh();
  quoteSoon();
}

const quoteSoon = later(AFTER_TYPING_MS, quote);

async function quote() {
  state.quoting.abort();
  const { status, canWrite } = state.access;
  if (status !== "known" || !canWrite || !canBeQuoted() || isOffline()) return;
  const { signal } = (state.quoting = new AbortController());
  const again = (seconds) => setTimeout(() => signal.aborted || quote(), seconds * 1000);
  try {
    const { body } = await call(key(), "POST", "v1/jobs", { body: { ...composed(), dry_run: true }, signal });
    Object.assign(state, { quote: body, isQuoted: true, quoteTrouble: "", faults: [] });
    if (body.fits === false) again(MISFIT_AGAIN_MS / 1000);
  } catch (error) {
    if (signal.aborted || takeKeyProblem(error, "canWrite")) return;
    const seconds = error.retryAfterSeconds || 5;
    const then = error.retryable ? ` Trying again in ${duration(seconds)}.` : "";
    const trouble = error.errors.length || error.isOffline ? "" : `No price: ${sentence(error.message)}${then}`;
    Object.assign(state, { quote: null, faults: error.errors, quoteTrouble: trouble });
    if (error.retryable) again(seconds);
  }
  refresh();
}

/** Every fault at its field; what belongs to no field, at the button. The only writer of these messages. */
function showFaults() {
  const own = ownFaults();
  const found = Map.groupBy(state.faults, ({ pointer }) => FAULTS[pointer.split("/")[1]] ?? "other");
  for (const field of [...Object.values(FAULTS), "other"]) {
    const faults = (found.get(field) ?? []).filter(({ pointer }) => !/^\/references\/\d+$/.test(pointer));
    const told = faults.map(({ pointer, detail }) => sentence(grouped(field === "other" && pointer ? `${pointer.slice(1)} ${detail}` : detail))).join(" ");
    say(page[`${field}-fault`], own[field] || told);
    for (const control of controlsOf(field)) mark(control, "aria-invalid", own[field] || told);
  }
  const single = state.faults.flatMap(({ pointer, detail }) => (/^\/references\/(\d+)/.test(pointer) ? [[Number(pointer.split("/")[2]), sentence(detail)]] : []));
  references.mark(new Map(single));
  if (found.has("model") || found.has("policy")) page.more.open = true;
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
    return make("option", { value: model }, `${model} · $${price.toFixed(2)}${isClosed ? " · suspended" : ""}`);
  });
  fill(page.model, make("option", { value: "" }, "Automatic"), ...options);
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
  // The second click of a double click is not a second request.
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
    takeKeyProblem(error, "canWrite");
    state.faults = error.errors;
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
      takeKeyProblem(error, "canWrite");
      reject(error, attempt);
    }
  };
  await attempt();
}

function begin(body) {
  state.following.abort();
  Object.assign(state, { isSending: true, shown: { id: "", body }, note: "" });
  outcome.sending(body.aspect_ratio);
  showTimeline(timelineParts, null);
  learnUsual();
  page.outcome.scrollIntoView({ block: "nearest", behavior: isCalm() ? "auto" : "smooth" });
  refresh();
}

function accept(job, body) {
  history.add(job.id, body);
  learn(job);
  open(job.id, { making: JSON.stringify(body) });
}

function reject(problem, again) {
  outcome.problem(problem, again);
  announce(`Not accepted: ${problem.message}`);
  refresh();
  // What is left of the budget is known to the next dry run.
  if (problem.code === "budget_exceeded") quote();
}

async function cancel(job) {
  try {
    const { body } = await call(key(), "POST", `v1/jobs/${job.id}/cancel`);
    state.note = "";
    learn(body);
    announce("Cancel requested");
  } catch (error) {
    if (takeKeyProblem(error, "canWrite")) return;
    state.note = `Not canceled: ${sentence(error.message)}`;
  }
  if (state.shown?.id === job.id) showJob();
}

// ---- The job on the stage

const timelineParts = { list: page.timeline, note: page["timeline-note"], all: page["timeline-all"] };

/** The job that the page's address names, so that a reload, Back and a shared link lead to it. */
function jobInAddress() {
  return /^#(job_[\w-]+)$/.exec(location.hash)?.[1] ?? "";
}

window.addEventListener("popstate", () => {
  const id = jobInAddress();
  if (id) open(id, { isNew: false });
  else if (!location.hash) leave();
});

/** Takes the job off the stage; it goes on all the same. */
function leave() {
  state.following.abort();
  Object.assign(state, { shown: null, making: "", note: "" });
  outcome.empty(ratios.value);
  showTimeline(timelineParts, null);
  refresh();
}

/**
 * Puts a job on the stage and follows it to its end.
 * @param {string} id
 * @param {{making?: string, isNew?: boolean}} [options] `making`: the request, if it was just sent; `isNew`: an entry of its
 *   own in the browser's history
 */
async function open(id, { making = "", isNew = true } = {}) {
  state.following.abort();
  state.making = making;
  if (jobInAddress() !== id) window.history[isNew ? "pushState" : "replaceState"](null, "", `#${id}`);
  const body = history.entries.find((entry) => entry.id === id)?.body ?? null;
  if (state.shown?.id !== id) showTimeline(timelineParts, null);
  Object.assign(state, { shown: { id, body }, note: "", reason: "", queue: { text: "", askedAt: Date.now() - QUEUE_AGAIN_MS + FIRST_QUEUE_MS } });
  if (!key() || state.access.status === "refused") {
    outcome.locked(id);
    refresh();
    return;
  }
  if (state.access.status !== "known") {
    outcome.loading();
    refresh();
    return; // it is opened once the key is known
  }
  const { signal } = (state.following = new AbortController());
  if (state.jobs.has(id)) showJob();
  else outcome.loading();
  refresh();
  try {
    await follow(key(), id, {
      signal,
      onNews: (job, timeline) => {
        const before = state.jobs.has(id) ? phaseOf(state.jobs.get(id)).name : "";
        state.note = "";
        state.reason = waitingReason(timeline);
        learn(job);
        showJob();
        showTimeline(timelineParts, timeline);
        if (phaseOf(job).name !== before || job.finished_at) announce(told(job));
        if (job.finished_at) made();
        else learnUsual();
        lookAhead(job, signal);
        if (!state.shown.body) showCode();
      },
      onTrouble: (problem) => {
        state.note = problem.isOffline
          ? "You are offline. The job continues, and this page shows it as soon as you are online again."
          : `${sentence(problem.message)} The job continues. Loading it again…`;
        if (state.jobs.has(id)) showJob();
      },
    });
  } catch (error) {
    if (signal.aborted) return;
    made();
    takeKeyProblem(error, "canRead");
    outcome.problem(error);
  }
}

/** How long images take here, of the newest jobs that were made with this key's tenant. Asked for once for each key. */
async function learnUsual() {
  if (state.isUsualKnown || !state.access.canRead) return;
  state.isUsualKnown = true;
  const answer = await answerOf(key(), "GET", "v1/jobs?status=succeeded&limit=20");
  if (!(answer instanceof Problem)) state.usual = usualSeconds(answer.body.data);
}

/** While a job waits: how many of the caller's own jobs are ahead of it. */
async function lookAhead(job, signal) {
  const isWaiting = phaseOf(job).isWaiting && !job.attempts.length;
  if (!isWaiting || Date.now() - state.queue.askedAt < QUEUE_AGAIN_MS) return;
  state.queue.askedAt = Date.now();
  const answer = await answerOf(key(), "GET", "v1/jobs?status=queued&limit=50", { signal });
  if (signal.aborted || answer instanceof Problem) return;
  state.queue.text = placeInQueue({ job, queued: answer.body.data, hasMore: answer.body.has_more });
  if (state.shown?.id === job.id) showJob();
}

/** The same may be sent again. */
function made() {
  state.making = "";
  refresh();
}

function showJob() {
  const job = state.jobs.get(state.shown.id);
  const reason = state.isSpendingPaused && phaseOf(job).isWaiting ? "The operator has paused spending. The job starts when it is resumed." : state.reason;
  outcome.job(job, { pictures: state.pictures.get(job.id) ?? [], note: state.note, reason, queue: state.queue.text });
}

function told(job) {
  const seconds = job.timings?.total_seconds;
  const took = job.finished_at && seconds ? ` after ${duration(Number(seconds))}` : "";
  const why = job.failure ? `: ${job.failure.message}` : "";
  return `${phaseOf(job).name}${took}${why}`;
}

function learn(job) {
  state.jobs.set(job.id, job);
  showHistory();
}

/** Fills the form with what a job was made from. */
function reuse(job) {
  const body = bodyOf(job);
  compose(body);
  page.prompt.focus();
}

function compose(body) {
  page.prompt.value = body.prompt ?? "";
  page.filter.checked = body.nsfw_checker === true;
  // Before the key is known, no model is offered yet.
  const isOffered = !body.model || [...page.model.options].some(({ value }) => value === body.model);
  if (!isOffered && !state.models.length) page.model.append(make("option", { value: body.model }, body.model));
  page.model.value = body.model ?? "";
  page.policy.value = body.policy ?? "";
  page.policy.disabled = Boolean(page.model.value);
  offerRatios();
  ratios.value = body.aspect_ratio ?? "auto";
  references.clear();
  references.addStored(Array.isArray(body.references) ? body.references : []);
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
  const known = state.jobs.get(state.shown?.id);
  const body = state.shown?.body ?? (known ? bodyOf(known) : composed());
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
  draft.clear();
  showHistory();
  page.prompt.focus();
  announce("The history is cleared. The jobs and their images are kept.");
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

window.addEventListener("storage", (event) => {
  if (event.key === null || event.key === history.place) showHistory(); // another tab has sent a job
});

function showHistory() {
  const { entries } = history;
  const focused = document.activeElement?.dataset?.job;
  fill(page.history, ...entries.map(tile));
  if (focused) page.history.querySelector(`[data-job="${CSS.escape(focused)}"]`)?.focus();
  page.forget.hidden = !entries.length;
  say(page["history-note"], entries.length ? "" : "Jobs that you send from this browser are listed here.");
}

function tile({ id, sentAt, body }) {
  const job = state.jobs.get(id);
  const url = job?.results?.[0]?.url;
  const when = new Date(sentAt).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  const status = job ? phaseOf(job).name : "";
  const price = job?.finished_at ? priceOf(job) : "";
  const [width, height] = sizeOf(body.aspect_ratio ?? "auto", 100);
  const inside = url ? make("img", { src: url, alt: "", loading: "lazy" }) : make("span", { class: "no-picture" });
  inside.style.setProperty("--ratio", String(width / height));
  const options = {
    type: "button",
    "data-job": id,
    "data-status": job?.status ?? null,
    "aria-current": state.shown?.id === id ? "true" : null,
    title: body.prompt,
    onclick: () => {
      open(id);
      page.outcome.scrollIntoView({ block: "start", behavior: isCalm() ? "auto" : "smooth" });
    },
  };
  const facts = [status && make("span", { class: "status" }, status), make("span", {}, when), price && make("span", {}, price)];
  const text = make("span", { class: "text" }, make("span", { class: "prompt", dir: "auto" }, body.prompt), make("span", { class: "about" }, ...facts));
  return make("li", {}, make("button", options, inside, text));
}

// ---- All of it together

/** What follows from the fields and the state, shown. No other function writes these messages. */
function refresh() {
  const notice = keyNotice(state.access);
  say(page["key-fault"], notice.text);
  mark(page.key, "aria-invalid", notice.text);
  write(page["key-mark"], notice.mark);
  page["key-mark"].dataset.limited = String(Boolean(notice.text));
  say(page.offline, isOffline() ? "You are offline. This page continues as soon as you are online again." : "");
  showFaults();

  const most = limits().characters;
  write(page["prompt-count"], Number.isFinite(most) ? `${number(promptLength())} / ${number(most)}` : "");

  const found = obstacle();
  page.generate.disabled = false;
  page.generate.setAttribute("aria-disabled", String(Boolean(found) || state.isSending));
  const isRepeat = state.lastSent === JSON.stringify(composed());
  write(page.generate, state.isSending ? "Sending…" : isRepeat ? "Generate again" : "Generate");
  const hint = isRepeat ? "Generating again makes another image and costs its price again." : "";
  const paused = state.isSpendingPaused ? "The operator has paused spending. Jobs wait until it is resumed." : "";
  say(page.why, state.isSending ? "" : (found?.[0] ?? (misfitNow()?.text || paused || hint)));
  page.why.classList.toggle("fault", Boolean(found?.[2]) && !state.isSending);

  say(page.amount, state.quote ? `$${state.quote.price_usd}` : "");
  write(page.terms, state.quote ? termsOf(state.quote) : "You see the price here before you generate.");
  page.price.classList.toggle("stale", !state.isQuoted);
  showCode();
  for (const button of page.history.querySelectorAll("button")) {
    mark(button, "aria-current", button.dataset.job === state.shown?.id);
  }
}

function termsOf({ price_usd, price_usd_at_most, routes, fits, left_usd = null }) {
  const most = price_usd_at_most === price_usd ? "" : `, at most $${price_usd_at_most} if another route is needed`;
  const left = left_usd !== null && fits !== false ? `. $${left_usd} of your budget is left` : "";
  return `with ${routes[0]?.model ?? "no model"}${most}${left}`;
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
const kept = draft.read();
if (kept) compose(kept);
showHistory();
showTimeline(timelineParts, null);
if (jobInAddress()) open(jobInAddress(), { isNew: false });
recompose();
if (key()) meet();
