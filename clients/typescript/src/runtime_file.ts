/**
 * The runtime file: where a running sidecar says how to reach it.
 *
 * Only a file that is ours and private is believed: whoever could write it could have us hand a
 * token, and our commands, to a program of theirs.
 */

import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

import { type Endpoint, endpointOf } from "./endpoint.js";
import { LanspreadError, NOT_RUNNING } from "./errors.js";

const FILE_NAME = "runtime.json";
const MAX_BYTES = 64 * 1024;
const UNIX = "unix:";
const OTHERS = 0o077;

/** The state folder that a sidecar of this user takes by itself. */
export function defaultStateDir(): string {
  const { XDG_STATE_HOME: xdg, LOCALAPPDATA: local } = process.env;
  const name = "lanspread-peer";
  if (process.platform === "win32") {
    return join(local ?? join(homedir(), "AppData", "Local"), name);
  }
  if (xdg !== undefined && isAbsolute(xdg)) {
    return join(xdg, name);
  }
  const parts =
    process.platform === "darwin" ? ["Library", "Application Support"] : [".local", "state"];
  return join(homedir(), ...parts, name);
}

/**
 * What the sidecar of this state folder says.
 *
 * Throws LanspreadError: NOT_RUNNING without a file, RUNTIME_FILE_UNSAFE when it is not ours or
 * others may touch it, RUNTIME_FILE_INVALID when it cannot be understood.
 */
export async function readRuntimeFile(stateDir: string = defaultStateDir()): Promise<Endpoint> {
  const path = join(stateDir, FILE_NAME);
  const found = endpointOf(await readPrivate(path, stateDir), "RUNTIME_FILE_INVALID", path);
  await checkSocket(found.address, stateDir);
  return found;
}

async function readPrivate(path: string, stateDir: string): Promise<string> {
  try {
    // Looked at through the open file, so that it cannot be another one by then.
    const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    try {
      if (!isOurs(await file.stat(), OTHERS)) {
        throw new LanspreadError(
          "RUNTIME_FILE_UNSAFE",
          `${path} is not private: expected it to be ours with mode 0600`,
          { path },
        );
      }
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
      return buffer.toString("utf8", 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw isMissing(error) ? notRunning(stateDir) : unreadable(path, error);
  }
}

async function checkSocket(address: string, stateDir: string): Promise<void> {
  if (!address.startsWith(UNIX) || process.platform === "win32") {
    return;
  }
  const state = await lstat(address.slice(UNIX.length)).catch(() => undefined);
  if (state === undefined) {
    throw notRunning(stateDir);
  }
  // A sidecar that was killed leaves its address to whoever takes it next.
  if (!state.isSocket() || !isOurs(state, 0)) {
    throw new LanspreadError("RUNTIME_FILE_UNSAFE", `${address} is not a socket of ours`);
  }
}

function isOurs(state: { uid: number; mode: number }, forbidden: number): boolean {
  // Windows has neither: there the folder's access list keeps others out.
  return (
    process.getuid === undefined || (state.uid === process.getuid() && !(state.mode & forbidden))
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function unreadable(path: string, error: unknown): LanspreadError {
  if (error instanceof LanspreadError) {
    return error;
  }
  const message = error instanceof Error ? error.message : String(error);
  return new LanspreadError("RUNTIME_FILE_INVALID", message, { path }, undefined, { cause: error });
}

function notRunning(stateDir: string): LanspreadError {
  return new LanspreadError(NOT_RUNNING, `no sidecar runs with the state folder ${stateDir}`, {
    state_dir: stateDir,
  });
}
