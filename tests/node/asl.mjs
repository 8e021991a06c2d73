// Validates state machines: [definition, …] on stdin; prints for each what is wrong with it, as [[fault, …], …].
import { readFileSync } from "node:fs";
import validate from "asl-validator";

const faults = (definition) => validate(definition).errors.map((fault) => JSON.stringify(fault));
process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(faults)));
