/** The API. Its address follows from where this file lies: right behind any stage, domain or proxy. */

export const BASE = new URL("../", import.meta.url).href.replace(/\/$/, "");

const LONGEST_CALL_MS = 60_000;

/** What went wrong, as the API's problem documents say it. `status` 0: no answer came. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `the API answered with HTTP ${status} and gave no reason`);
    this.status = status;
    this.code = document.code ?? `http_${status}`;
    this.retryable = document.retryable ?? false;
    this.charged = document.charged ?? "unknown";
    this.requestId = document.request_id ?? "";
    this.errors = document.errors ?? [];
    this.retryAfterSeconds = 0;
  }

  /** Nothing can be said of whether the call arrived. */
  get isUnanswered() {
    return this.status === 0;
  }

  /** No call leaves this device. */
  get isOffline() {
    return this.isUnanswered && navigator.onLine === false;
  }

  /** The key is the trouble: it is wrong (401, in older deployments 403), or lacks a scope (403). */
  get isAboutTheKey() {
    return this.status === 401 || this.status === 403;
  }
}

/**
 * One call. Every POST has an idempotency key: sent again under the same one, it is the same job.
 * @param {string} key the API key
 * @param {string} method
 * @param {string} path after the base, such as `v1/jobs`
 * @param {{body?: object, idempotencyKey?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<{body: any, headers: Headers}>}
 * @throws {Problem}
 */
export async function call(key, method, path, { body, idempotencyKey = newIdempotencyKey(), signal } = {}) {
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Problem(401, unusableKey());
  const headers = { Authorization: `Bearer ${key}` };
  if (method === "POST") headers["Idempotency-Key"] = idempotencyKey;
  if (body) headers["Content-Type"] = "application/json";
  let response, text;
  const limit = AbortSignal.timeout(LONGEST_CALL_MS);
  try {
    response = await fetch(`${BASE}/${path}`, {
      method,
      headers,
      body: body && JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      credentials: "omit",
      cache: "no-store",
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, noAnswer(method === "POST" && !body?.dry_run));
  }
  const document = parsed(text);
  if (response.ok) return { body: document, headers: response.headers };
  const problem = new Problem(response.status, document ?? {});
  problem.requestId ||= response.headers.get("X-Request-Id") ?? "";
  problem.retryAfterSeconds = secondsOf(response.headers);
  throw problem;
}

/** Seconds that an answer asks to wait; 0 where it doesn't. */
export function secondsOf(headers) {
  return Number(headers.get("Retry-After")) || 0;
}

/** (Not `crypto.randomUUID`, which plain http beyond localhost lacks.) */
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Uploads a reference image: asks for a form, then sends it with exactly the fields that the API gave.
 * @param {string} key
 * @param {File} file
 * @param {{type: string, onProgress: (share: number) => void, signal: AbortSignal}} options `type`: by its contents
 * @returns {Promise<string>} the id that a job names as a reference
 */
export async function upload(key, file, { type, onProgress, signal }) {
  const wanted = { content_type: type, size_bytes: file.size };
  const { body: place } = await call(key, "POST", "v1/uploads", { body: wanted, signal });
  const form = new FormData();
  for (const [name, value] of Object.entries(place.fields)) form.append(name, value);
  form.append("file", file);
  await posted(place.url, form, onProgress, signal);
  return place.id;
}

/** By XMLHttpRequest, because `fetch` does not tell how much has left. */
function posted(url, form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const failed = () => reject(new Problem(request.status, notStored(request.status)));
    request.open("POST", url);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => (request.status >= 200 && request.status < 300 ? resolve() : failed());
    request.onerror = failed;
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function unusableKey() {
  return {
    code: "unusable_key",
    detail: "an API key has no spaces and no letters beyond ASCII",
    charged: "no",
  };
}

function noAnswer(mayHaveActed) {
  const what = navigator.onLine === false ? "this device has no connection to the internet" : "the API did not answer";
  const safe = "The request may have arrived. Trying again is safe: it is sent under the same idempotency key, so it stays one job";
  return {
    code: "no_answer",
    detail: mayHaveActed ? `${what}. ${safe}` : what,
    retryable: true,
    charged: mayHaveActed ? "unknown" : "no",
  };
}

function notStored(status) {
  return {
    code: "upload_failed",
    detail: status ? `the upload was refused (HTTP ${status})` : "the upload was interrupted",
    retryable: true,
    charged: "no",
  };
}
