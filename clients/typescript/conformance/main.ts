/** The conformance program: `main.js SCENARIO`; see clients/conformance/SCENARIOS.md. */

import * as access from "./access.js";
import * as downloads from "./downloads.js";

const SCENARIOS = new Map([
  ["spawn", access.spawnAndEnd],
  ["refused_token", access.refusedToken],
  ["wrong_field", access.wrongField],
  ["list_pages", access.listPages],
  ["download", downloads.download],
  ["resume", downloads.resume],
  ["expired_token", downloads.expiredToken],
  ["cancel", downloads.cancel],
  ["tls", access.tls],
  ["shutdown", access.shutdown],
  ["parent_killed", access.parentKilled],
]);

const [name = ""] = process.argv.slice(2);
const scenario = SCENARIOS.get(name);
if (scenario === undefined) {
  console.error(`no scenario ${name}; there are ${[...SCENARIOS.keys()].join(", ")}`);
  process.exit(2);
}
try {
  await scenario();
} catch (error) {
  console.error(error);
  // Not by waiting for the sidecar, which ends with us.
  process.exit(1);
}
