/** What spawning does with a program that is no sidecar, or a bad one. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { LanspreadError } from "../src/errors.js";
import { MAX_LINE_CHARS } from "../src/handshake.js";
import { type SpawnOptions, spawn } from "../src/spawned.js";

const SPAWNED = new URL("../src/spawned.js", import.meta.url).href;
const posix = { skip: process.platform === "win32" && "it has no limit of files" };
let folder: string;
let pidFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lanspread-"));
  pidFile = join(folder, "pid");
});

afterEach(() => rm(folder, { recursive: true }));

/** Spawns a program of these lines, which must fail, and be gone then; the error. */
async function failureOf(
  lines: string,
  options: Partial<SpawnOptions> = {},
): Promise<LanspreadError> {
  const note = `require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));`;
  const command = [process.execPath, "-e", note + lines] as const;
  try {
    await spawn({ gameDir: folder, stateDir: folder, command, ...options });
  } catch (error) {
    assert.ok(error instanceof LanspreadError);
    const pid = Number(await readFile(pidFile, "utf8"));
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    return error;
  }
  return assert.fail("it was taken for a sidecar");
}

const stay = "setInterval(() => 0, 1e6);";

test("a program that is not there is told", async () => {
  const command = [join(folder, "none")] as const;
  const options = { gameDir: folder, stateDir: folder, command };
  await assert.rejects(spawn(options), { reason: "SPAWN_FAILED" });
});

test("settings that no JSON can say are told, and nothing is started", async () => {
  const note = `require("fs").writeFileSync(${JSON.stringify(pidFile)}, "")`;
  const command = [process.execPath, "-e", note] as const;
  const settings = { upload_bytes_per_second: 10n as unknown as number };
  await assert.rejects(spawn({ gameDir: folder, stateDir: folder, command, settings }), TypeError);
  await assert.rejects(readFile(pidFile), { code: "ENOENT" });
});

test("a program for which no file is left is told", posix, () => {
  const lines = `
    import { openSync } from "node:fs";
    import { spawn } from ${JSON.stringify(SPAWNED)};
    const options = { gameDir: ".", stateDir: ".", command: [process.execPath] };
    try { for (;;) openSync("/dev/null"); } catch {}
    await spawn(options).catch((error) => process.stdout.write(String(error.reason)));`;
  const shell = ["-c", 'ulimit -n 256; exec "$0" --input-type=module -e "$1"'];
  const ended = spawnSync("sh", [...shell, process.execPath, lines], { encoding: "utf8" });
  assert.equal(ended.stdout, "SPAWN_FAILED", ended.stderr);
});

test("the reason of a sidecar that does not start is told, with its exit code", async () => {
  const said = 'console.error("log\\nlanspread-peer: CANNOT_BIND: port 1 is taken\\nmore");';
  const error = await failureOf(`${said} process.exitCode = 4;`);
  assert.equal(error.reason, "SPAWN_FAILED");
  assert.equal(error.metadata.sidecar_reason, "CANNOT_BIND");
  assert.match(error.message, /: port 1 is taken$/);
  assert.equal(error.metadata.exit_code, "4");
});

test("one that says nothing in time is killed", async () => {
  const error = await failureOf(stay, { startTimeoutMs: 2000 });
  assert.equal(error.reason, "SPAWN_TIMEOUT");
});

test("one that answers something else is killed", async () => {
  const error = await failureOf(`console.log("Welcome!"); ${stay}`);
  assert.equal(error.reason, "HANDSHAKE_INVALID");
});

test("one that answers without end is killed", async () => {
  const flood = `process.stdout.write("x".repeat(${MAX_LINE_CHARS + 1}));`;
  const error = await failureOf(`${flood} ${stay}`);
  assert.equal(error.reason, "HANDSHAKE_INVALID");
});

test("one that logs a lot before it ends is not stuck, and its last line is known", async () => {
  const lines: string[] = [];
  const error = await failureOf(
    'for (let n = 0; n < 50000; n++) console.error("line " + n); process.exitCode = 1;',
    { onLog: (line) => lines.push(line) },
  );
  assert.equal(lines.length, 50000);
  assert.match(error.message, /line 49999$/);
});

test("a log reader that fails is warned of, and ends nothing", async () => {
  const warned = once(process, "warning");
  const error = await failureOf('console.error("a\\nb"); process.exitCode = 7;', {
    onLog: () => {
      throw new Error("in onLog");
    },
  });
  assert.equal(error.metadata.last_line, "b");
  assert.equal((await warned)[0].message, "in onLog");
});

test("one that closes its stdin at once is told about by its end", async () => {
  const error = await failureOf("process.stdin.destroy(); process.exitCode = 7;");
  assert.equal(error.metadata.exit_code, "7");
});
