/** Where a job is, in one place: the status line, the hints below it and the history all follow from it. Pure. */

import { duration } from "./text.js";

export const STATUS = {
  queued: "Queued",
  processing: "Processing",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Canceled",
  expired: "Expired",
};
/** What images take where this deployment has not made enough of them to tell. */
const USUAL_SECONDS = [15, 40];
const ENOUGH = 5;

/**
 * What is happening to the job now.
 * @returns {{name: string, hint: string, cancelHint: string, isWaiting: boolean}}
 */
export function phaseOf(job) {
  const over = { hint: "", cancelHint: "", isWaiting: false };
  if (job.finished_at) return { name: STATUS[job.status] ?? job.status, ...over };
  const attempt = (job.attempts ?? []).at(-1);
  const isRunning = attempt && !attempt.ended_at;
  if (job.cancel_requested_at) {
    return { name: "Canceling", ...over, hint: "The provider can’t stop an image that it has started, so this may still be charged." };
  }
  if (!isRunning) {
    const again = attempt ? "The last attempt failed. The next one starts soon." : "The job waits for a free place at a provider.";
    return { name: "Queued", hint: again, cancelHint: attempt ? "" : "Canceling now costs nothing.", isWaiting: true };
  }
  if (attempt.accepted_at) {
    return { name: "Working", hint: `${attempt.model} is making the image.`, cancelHint: "If you cancel now, the image may still be charged.", isWaiting: false };
  }
  if (attempt.uncertainty) {
    return {
      name: "Checking",
      hint: "The provider’s answer was lost. We are finding out whether it is making the image.",
      cancelHint: "If you cancel now, the image may still be charged.",
      isWaiting: false,
    };
  }
  return { name: "Sending", hint: `The job is being sent to ${attempt.model}.`, cancelHint: "If you cancel now, the image may still be charged.", isWaiting: false };
}

/**
 * How long images usually take, of finished jobs: what most of them lie between.
 * @param {any[]} jobs
 * @returns {[number, number]} seconds
 */
export function usualSeconds(jobs) {
  const taken = jobs
    .filter((job) => job.status === "succeeded" && job.timings?.total_seconds > 0 && !job.reused_from)
    .map((job) => Number(job.timings.total_seconds))
    .sort((one, other) => one - other);
  if (taken.length < ENOUGH) return USUAL_SECONDS;
  const at = (share) => taken[Math.min(taken.length - 1, Math.floor(share * taken.length))];
  const [least, most] = [Math.max(1, Math.floor(at(0.1))), Math.ceil(at(0.9))];
  return [least, Math.max(most, least + 1)];
}

/** What to expect of a job that runs for so long already. */
export function expectation([least, most], elapsedSeconds, deadline) {
  const usual = most < 60 ? `${least}–${most} s` : `${duration(least)} to ${duration(most)}`;
  if (elapsedSeconds <= most * 1.5) return `Usually ${usual}`;
  return `Longer than usual (${usual}).${deadline ? ` It ends by ${deadline} at the latest.` : ""}`;
}

/** How many of the caller's own jobs are ahead of this one. @param {{job: any, queued: any[], hasMore: boolean}} seen */
export function placeInQueue({ job, queued, hasMore }) {
  const ahead = queued.filter((other) => other.id !== job.id && other.created_at < job.created_at).length;
  if (!ahead) return "";
  return `${ahead}${hasMore ? " or more" : ""} of your jobs ${ahead === 1 && !hasMore ? "is" : "are"} ahead of it.`;
}

/** Why the workflow waits, if the last step of the timeline says so. */
export function waitingReason(timeline) {
  const last = timeline?.data?.at(-1);
  if (last?.kind !== "waiting" || last.until) return "";
  return last.detail.includes(": ") ? last.detail.slice(last.detail.indexOf(": ") + 2) : "";
}

/**
 * The steps that tell the story: runs of waits and polls become one step each.
 * @param {any[]} steps
 * @returns {any[]} steps, some with `polls`: how often the provider was asked
 */
export function story(steps) {
  const told = [];
  for (const step of steps) {
    const last = told.at(-1);
    const isNoise = step.kind === "waiting" || step.kind === "asked";
    if (isNoise && last?.isRun) {
      last.until = step.until ?? null;
      last.polls += step.kind === "asked" ? 1 : 0;
      last.steps += 1;
      if (step.kind === "waiting") last.detail = step.detail;
    } else if (isNoise) {
      told.push({ ...step, kind: "waiting", isRun: true, steps: 1, polls: step.kind === "asked" ? 1 : 0 });
    } else {
      told.push(step);
    }
  }
  return told;
}
