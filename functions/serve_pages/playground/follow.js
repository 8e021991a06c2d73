/** A job's progress: polled as often as the API says, and only while the page is seen. */

import { call, Problem, secondsOf } from "./api.js";

const ASK_AGAIN_SECONDS = 2;
const AFTER_TROUBLE_SECONDS = 5;
const LATE_TIMELINES = 3;

/**
 * Tells every change until the job is over.
 * @param {string} key
 * @param {string} id
 * @param {{onNews: (job: any, timeline: any) => void, onTrouble: (problem: Problem) => void, signal: AbortSignal}} options
 * @throws {Problem} where asking again is of no use
 */
export async function follow(key, id, { onNews, onTrouble, signal }) {
  let late = 0;
  while (!signal.aborted) {
    await seen(signal);
    let waitSeconds;
    try {
      const [{ body: job, headers }, { body: timeline }] = await Promise.all([
        call(key, "GET", `v1/jobs/${id}`, { signal }),
        call(key, "GET", `v1/jobs/${id}/events`, { signal }),
      ]);
      onNews(job, timeline);
      if (job.finished_at && (timeline.complete || ++late > LATE_TIMELINES)) return;
      waitSeconds = secondsOf(headers) || ASK_AGAIN_SECONDS;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem) || error.isAboutTheKey || error.status === 404) throw error;
      onTrouble(error);
      waitSeconds = error.retryAfterSeconds || AFTER_TROUBLE_SECONDS;
    }
    await pause(waitSeconds, signal);
  }
}

/** Waits until the page can be seen. */
function seen(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(), { once: true, signal });
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Ends early when the connection is back. */
function pause(seconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    window.addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}
