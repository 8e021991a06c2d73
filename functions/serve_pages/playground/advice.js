/** What to say about a refused call or a failed job, and what to offer: the same again only where that can help. Pure. */

import { sentence } from "./dom.js";
import { duration, moment, withoutCharge } from "./text.js";

/** What only another request can get past. */
const TO_BE_EDITED = new Set(["content_blocked", "invalid_input", "unsupported_media", "malformed_body", "payload_too_large"]);

/**
 * @typedef {{act: "again" | "rerun" | "edit" | "key", label: string, isPrimary: boolean}} Act
 * @typedef {{title: string, lines: string[], money: string, acts: Act[]}} Advice
 */

/**
 * Of a call that was refused or not answered.
 * @param {any} problem
 * @param {{now: Date, canRepeat: boolean, place?: object}} options `canRepeat`: the same call can be sent again
 * @returns {Advice}
 */
export function adviceOnCall(problem, { now, canRepeat, place }) {
  const money = moneyOf(problem.charged);
  const again = canRepeat && problem.retryable ? [primary("again", "Try again")] : [];
  const said = sentence(withoutCharge(problem.message));
  if (problem.isOffline) return { title: "You are offline", lines: [said], money, acts: again };
  if (problem.isUnanswered) return { title: "No answer", lines: [said], money, acts: again };
  if (problem.isAboutTheKey) {
    const needed = problem.code === "insufficient_scope" ? "Use a key with the scopes jobs:write and jobs:read." : "Check the key, or ask for a new one.";
    return { title: "Key not accepted", lines: [said, needed], money, acts: [primary("key", "Change the key")] };
  }
  if (problem.code === "budget_exceeded") {
    return { title: "Over budget", lines: [said, renewalLine(problem.message, now, place)], money, acts: [secondary("edit", "Edit the request")] };
  }
  if (problem.status === 429) {
    const soon = problem.retryAfterSeconds ? `Try again in ${duration(problem.retryAfterSeconds)}.` : "";
    return { title: "Too many requests", lines: [said, soon].filter(Boolean), money, acts: again };
  }
  if (problem.status === 404) {
    const why = "It belongs to another tenant than this key, or its record was deleted.";
    return { title: "Not found", lines: [said, why], money: "", acts: [secondary("key", "Change the key")] };
  }
  if (problem.status >= 500) return { title: "Something went wrong", lines: [said], money, acts: again };
  const faults = (problem.errors ?? []).map(({ pointer, detail }) => sentence(pointer ? `${pointer.slice(1)}: ${detail}` : detail));
  return { title: "Not accepted", lines: faults.length ? faults : [said], money, acts: again.length ? again : [primary("edit", "Edit and try again")] };
}

/**
 * Of a job that ended without an image.
 * @param {any} job
 * @param {{now: Date, status: string, price: string | null, place?: object}} options `price`: of running it again, in USD
 * @returns {Advice}
 */
export function adviceOnJob(job, { now, status, price, place }) {
  const failure = job.failure ?? { code: "", message: "", retryable: false };
  const charged = job.charged ?? failure.charged ?? "unknown";
  const money = moneyOf(charged, job.price_usd);
  const lines = [sentence(withoutCharge(failure.message)), job.notice ? sentence(job.notice) : ""];
  const cost = price ? ` for $${price}` : "";
  const rerun = secondary("rerun", charged === "no" ? `Run again${cost}` : `Run again${price ? ` for another $${price}` : " at its full price"}`);
  const edit = primary("edit", "Edit and try again");
  if (failure.code === "budget_exceeded") {
    lines.push(renewalLine(failure.message, now, place));
    return { title: status, lines: lines.filter(Boolean), money, acts: [secondary("edit", "Edit the request")] };
  }
  if (job.status === "canceled") {
    if (!failure.message) lines.unshift("The job was canceled before there was an image.");
    return { title: status, lines: lines.filter(Boolean), money, acts: [edit, rerun] };
  }
  if (TO_BE_EDITED.has(failure.code)) {
    lines.push("The same request would fail again. Change the prompt or the reference images.");
    return { title: status, lines: lines.filter(Boolean), money, acts: [edit] };
  }
  if (failure.retryable && charged === "no") {
    lines.push("Trying again may help.");
    return { title: status, lines: lines.filter(Boolean), money, acts: [primary("rerun", `Try again${cost}`), { ...edit, isPrimary: false }] };
  }
  return { title: status, lines: lines.filter(Boolean), money, acts: charged === "no" ? [edit] : [edit, rerun] };
}

/**
 * What a dry run that does not fit (`fits: false`) says, and whether the job would be refused (or only wait); null where it
 * fits, or the API says nothing of it.
 * @param {any} quote
 * @param {Date} now
 * @param {object} [place]
 * @returns {{text: string, isRefusal: boolean} | null}
 */
export function misfit(quote, now, place) {
  if (quote?.fits !== false) return null;
  const given = quote.reason ?? "";
  const left = quote.left_usd ?? null;
  const reason = sentence(withoutCharge(given.replace(/^it would (?:be refused|wait):\s*/i, "")));
  if (/\bwait/i.test(given) && !/refused/i.test(given)) {
    return { text: `${reason}${/^it would wait:/i.test(given) ? " The job would wait." : ""}`, isRefusal: false };
  }
  const isOfBudget = /budget/i.test(given) || (left !== null && Number(left) < Number(quote.price_usd));
  if (!isOfBudget) return { text: reason || "This job would be refused at the moment.", isRefusal: true };
  const told = reason || `The price of $${quote.price_usd} does not fit into what is left of your budget.`;
  const rest = left !== null && !told.includes(left) ? `$${left} is left.` : "";
  return { text: [told, rest, renewalLine(given, now, place)].filter(Boolean).join(" "), isRefusal: true };
}

/** When a budget renews: budgets are of UTC days or months, and a text of the API names which. */
export function renewalOf(text, now) {
  const month = /\b(\d{4})-(\d{2})\b(?!-\d)/.exec(text) ?? (/\bmonth/i.test(text) ? [] : null);
  if (month) return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1));
}

function renewalLine(text, now, place) {
  return `The budget renews ${moment(renewalOf(text, now), now, place)} your time (midnight UTC).`;
}

function moneyOf(charged, price) {
  if (charged === "no") return "Nothing was charged.";
  if (charged === "yes") return price ? `$${price} was charged.` : "It was charged.";
  return "It is not known whether this was charged.";
}

function primary(act, label) {
  return { act, label, isPrimary: true };
}

function secondary(act, label) {
  return { act, label, isPrimary: false };
}
