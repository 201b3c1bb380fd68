import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import { greetingLine, MAX_LINE_CHARS, parseReadyLine, startFailure } from "../src/handshake.js";

const ready = {
  lanspread: 1,
  address: "unix:/run/s",
  token: "secret",
  pid: 7,
  api: ["lanspread.peer.v1"],
  version: "0.1.0",
  instance_id: "abc",
};

test("the greeting is one line, without what is not said", () => {
  const greeting = { gameDir: "/games\n", stateDir: "/state", parentPid: 9 };
  const line = greetingLine({ ...greeting, settings: { port: 0, mdns: false } });
  assert.equal(line.indexOf("\n"), line.length - 1);
  assert.deepEqual(JSON.parse(line), {
    game_dir: "/games\n",
    state_dir: "/state",
    parent_pid: 9,
    settings: { port: 0, mdns: false },
  });
});

test("the sidecar's line is understood, and what is new in it ignored", () => {
  const found = parseReadyLine(JSON.stringify({ ...ready, later: true }));
  const { instance_id: instanceId, lanspread, token, ...rest } = ready;
  assert.deepEqual({ ...found }, { ...rest, instanceId, tlsCertificate: "" });
  assert.equal(found.token, token);
});

test("the token does not get into a log", () => {
  const found = parseReadyLine(JSON.stringify(ready));
  assert.doesNotMatch(inspect(found) + JSON.stringify(found), /secret/);
});

test("a line that is no sidecar's is refused", () => {
  const wrong: unknown[] = [null, 7, [], {}, ...Object.keys(ready).flatMap(without)];
  const texts = ["", "hello", '{"lanspread":1', ...wrong.map((each) => JSON.stringify(each))];
  for (const text of texts) {
    assert.throws(() => parseReadyLine(text), { reason: "HANDSHAKE_INVALID" }, text);
  }
});

function without(key: string): unknown[] {
  return [undefined, null, -1, 0.5, {}, [7]].map((value) => ({ ...ready, [key]: value }));
}

test("a line may be so long and no longer", () => {
  const line = JSON.stringify(ready);
  assert.equal(parseReadyLine(line.padEnd(MAX_LINE_CHARS)).pid, 7);
  assert.throws(() => parseReadyLine(line.padEnd(MAX_LINE_CHARS + 1)), {
    reason: "HANDSHAKE_INVALID",
  });
});

test("a sidecar that speaks other APIs only is refused by name", () => {
  const line = JSON.stringify({ ...ready, api: ["lanspread.peer.v2"] });
  assert.throws(() => parseReadyLine(line), { reason: "API_UNSUPPORTED" });
});

test("the last line of a sidecar that did not start tells why", () => {
  const line = "lanspread-peer: ALREADY_RUNNING: another one has /state";
  const told = startFailure(line, 3);
  assert.equal(told.reason, "SPAWN_FAILED");
  assert.match(told.message, /: another one has \/state$/);
  assert.deepEqual(told.metadata, {
    exit_code: "3",
    last_line: line,
    sidecar_reason: "ALREADY_RUNNING",
  });
  const untold = startFailure("Segmentation fault", null);
  assert.equal(untold.reason, "SPAWN_FAILED");
  assert.deepEqual(untold.metadata, { exit_code: "", last_line: "Segmentation fault" });
  assert.match(untold.message, /Segmentation fault/);
});
