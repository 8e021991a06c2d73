// Verifies a webhook as its receiver would: {secret, headers, body} on stdin; prints the message, or fails.
// `at` (in epoch seconds): by a clock that stands at that moment, instead of the machine's.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const { secret, headers, body, at } = JSON.parse(readFileSync(0, "utf8"));
if (at !== undefined) Date.now = () => at * 1000;
process.stdout.write(JSON.stringify(new Webhook(secret).verify(body, headers)));
