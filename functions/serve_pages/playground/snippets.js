/** The call that was made, as code: the same body, the key from the environment. Pure text, no page. */

/** @typedef {{base: string, body: object, idempotencyKey: string}} Sent */

/** @type {Record<string, {name: string, of: (sent: Sent) => string}>} */
export const LANGUAGES = {
  curl: { name: "cURL", of: curl },
  python: { name: "Python", of: python },
  node: { name: "Node", of: node },
};

function curl({ base, body, idempotencyKey }) {
  return `# Under the same Idempotency-Key it is the same job,
# however often it is sent.
curl -sS ${shell(`${base}/v1/jobs`)} \\
  -H "Authorization: Bearer $HELIOGRAPH_KEY" \\
  -H "Content-Type: application/json" \\
  -H ${shell(`Idempotency-Key: ${idempotencyKey}`)} \\
  --data-raw ${shell(JSON.stringify(body, null, 2))}
`;
}

function python({ base, body }) {
  return `import json, os, time, urllib.request, uuid

API = ${JSON.stringify(base)}


def call(method, path, body=None, **headers):
    headers |= {"Authorization": f"Bearer {os.environ['HELIOGRAPH_KEY']}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(API + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer), int(answer.headers.get("Retry-After", 2))


# Sent twice under the same Idempotency-Key, it is the same job.
job, wait_seconds = call("POST", "/v1/jobs", ${literal(body)}, **{"Idempotency-Key": str(uuid.uuid4())})

while not job["finished_at"]:
    time.sleep(wait_seconds)
    job, wait_seconds = call("GET", f"/v1/jobs/{job['id']}")

print(job["id"], job["status"])
print(job["failure"] or job["results"][0]["url"])
`;
}

function node({ base, body }) {
  return `// Node.js 20 or newer, as an ES module (.mjs)
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const API = ${JSON.stringify(base)};

async function call(method, path, body, headers = {}) {
  const answer = await fetch(API + path, {
    method,
    headers: { Authorization: \`Bearer \${process.env.HELIOGRAPH_KEY}\`, "Content-Type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return [await answer.json(), Number(answer.headers.get("Retry-After") ?? 2)];
}

// Sent twice under the same Idempotency-Key, it is the same job.
let [job, waitSeconds] = await call("POST", "/v1/jobs", ${JSON.stringify(body, null, 2)}, { "Idempotency-Key": randomUUID() });

while (!job.finished_at) {
  await sleep(waitSeconds * 1000);
  [job, waitSeconds] = await call("GET", \`/v1/jobs/\${job.id}\`);
}

console.log(job.id, job.status);
console.log(job.failure ?? job.results[0].url);
`;
}

/** One word of a POSIX shell, whatever is in it. */
function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** JSON as Python writes it. (Its strings are Python's already.) */
function literal(value, indent = "") {
  const inner = `${indent}    `;
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, inner)).join(", ")}]`;
  if (value && typeof value === "object") {
    const fields = Object.entries(value).map(([name, item]) => `${inner}${JSON.stringify(name)}: ${literal(item, inner)},\n`);
    return `{\n${fields.join("")}${indent}}`;
  }
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return JSON.stringify(value);
}
