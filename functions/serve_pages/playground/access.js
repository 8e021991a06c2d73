/** What an API key can do here, and what to say about it. Pure. */

import { counted, duration } from "./text.js";

/**
 * @typedef {{status: "none" | "checking" | "known" | "refused" | "unreachable",
 *   canRead?: boolean, canWrite?: boolean, problem?: any}} Access
 */

/** A key as people paste it: with spaces around it, in quotes, or with the word Bearer before it. */
export function pastedKey(text) {
  return text
    .trim()
    .replace(/^(?:authorization:\s*)?bearer\s+/i, "")
    .replace(/^(["'`])(.*)\1$/, "$2")
    .trim();
}

/**
 * The mark in the key's field and the message below it. Where a key can't do all that this page needs, the message says
 * what it can't do and what to do about it.
 * @param {Access} access
 * @returns {{mark: string, text: string}}
 */
export function keyNotice({ status, canRead, canWrite, problem }) {
  switch (status) {
    case "none":
      return { mark: "", text: "" };
    case "checking":
      return { mark: "Checking…", text: "" };
    case "refused":
      return { mark: "", text: refused(problem) };
    case "unreachable":
      return { mark: "", text: unreachable(problem) };
  }
  if (canRead && canWrite) return { mark: "Accepted", text: "" };
  if (canRead) {
    return {
      mark: "Read only",
      text: "This key can show jobs, but not create jobs or upload images: it lacks the scope jobs:write. To generate images, use a key with the scopes jobs:write and jobs:read.",
    };
  }
  if (canWrite) {
    return {
      mark: "Write only",
      text: "This key can create jobs, but not show them: it lacks the scope jobs:read, so you would pay for an image that this page can’t show. Use a key with the scopes jobs:write and jobs:read.",
    };
  }
  return { mark: "No access", text: "This key can neither create jobs nor show them. Use a key with the scopes jobs:write and jobs:read." };
}

/** Why the key keeps an image from being generated; "" where it doesn't. @param {Access} access */
export function keyObstacle({ status, canRead, canWrite }) {
  switch (status) {
    case "none":
      return "Paste your API key to begin.";
    case "checking":
      return "Checking the key…";
    case "refused":
      return "The key is not accepted.";
    case "unreachable":
      return "The key can’t be checked at the moment.";
  }
  if (!canWrite) return "This key can’t create jobs: it lacks the scope jobs:write.";
  if (!canRead) return "This key can’t show results: it lacks the scope jobs:read.";
  return "";
}

function refused(problem) {
  if (problem.code === "unusable_key") return "This is not an API key: it contains spaces or characters that keys don’t have. Copy the key again.";
  return "This key is not accepted: it is wrong, expired or revoked. Check that you copied all of it, or ask for a new key.";
}

function unreachable(problem) {
  if (problem.isOffline) return "You are offline. The key is checked as soon as you are online again.";
  if (problem.isUnanswered) return "The API did not answer. Trying again in a few seconds.";
  const again = problem.retryable ? ` Trying again in ${duration(problem.retryAfterSeconds || 5)}.` : "";
  if (problem.status === 429) return `This key was used too often: ${problem.message}.${again}`;
  return `The key can’t be checked: ${problem.message}.${again}`;
}

/** "Uploading 1 image…" */
export function uploadingObstacle(count) {
  return `Uploading ${counted(count, "image")}…`;
}
