import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";

import { readRuntimeFile } from "../src/runtime_file.js";

const content = {
  address: "127.0.0.1:26790",
  token: "secret",
  pid: 7,
  instance_id: "abc",
  version: "0.1.0",
  started_at: 1.5,
  api: ["lanspread.peer.v1"],
};
const posix = { skip: process.platform === "win32" && "it has no modes" };
let stateDir: string;
let path: string;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "lanspread-"));
  path = join(stateDir, "runtime.json");
});

afterEach(() => rm(stateDir, { recursive: true }));

async function write(change: object = {}): Promise<void> {
  await writeFile(path, JSON.stringify({ ...content, ...change }), { mode: 0o600 });
}

test("a private file tells where the sidecar is", async () => {
  await write();
  const found = await readRuntimeFile(stateDir);
  assert.equal(found.address, content.address);
  assert.equal(found.token, content.token);
  assert.equal(found.instanceId, content.instance_id);
});

test("a file tells the certificate to expect, and none without TLS", async () => {
  await write({ tls_certificate: "PEM" });
  assert.equal((await readRuntimeFile(stateDir)).tlsCertificate, "PEM");
  await write();
  assert.equal((await readRuntimeFile(stateDir)).tlsCertificate, "");
  await write({ tls_certificate: 7 });
  await assert.rejects(readRuntimeFile(stateDir), { reason: "RUNTIME_FILE_INVALID" });
});

test("without a file nothing runs", async () => {
  await assert.rejects(readRuntimeFile(stateDir), { reason: "NOT_RUNNING" });
  await assert.rejects(readRuntimeFile(join(stateDir, "none")), { reason: "NOT_RUNNING" });
});

test("a file that makes no sense is told", async () => {
  await writeFile(path, "{", { mode: 0o600 });
  await assert.rejects(readRuntimeFile(stateDir), { reason: "RUNTIME_FILE_INVALID" });
});

test("a file that others may read is not believed", posix, async () => {
  await write();
  await chmod(path, 0o640);
  await assert.rejects(readRuntimeFile(stateDir), { reason: "RUNTIME_FILE_UNSAFE" });
});

test("a link is not followed", posix, async () => {
  await write();
  const elsewhere = join(stateDir, "elsewhere");
  await rm(path);
  await writeFile(elsewhere, JSON.stringify(content), { mode: 0o600 });
  await symlink(elsewhere, path);
  await assert.rejects(readRuntimeFile(stateDir), { reason: "RUNTIME_FILE_INVALID" });
});

test("a socket that is gone, or is none, is not called", posix, async () => {
  const socket = join(stateDir, "s");
  await write({ address: `unix:${socket}` });
  await assert.rejects(readRuntimeFile(stateDir), { reason: "NOT_RUNNING" });
  await writeFile(socket, "");
  await assert.rejects(readRuntimeFile(stateDir), { reason: "RUNTIME_FILE_UNSAFE" });
  await rm(socket);
  const server = createServer().listen(socket);
  try {
    await new Promise((resolve) => server.once("listening", resolve));
    assert.equal((await readRuntimeFile(stateDir)).address, `unix:${socket}`);
  } finally {
    server.close();
  }
});
