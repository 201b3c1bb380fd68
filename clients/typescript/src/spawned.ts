/**
 * A sidecar as a child of this process, which ends with it, however it ends.
 *
 * Its stdin stays open as long as the sidecar is wanted; its stderr is read to the end, as it would
 * block on a full pipe otherwise.
 */

import { type ChildProcessByStdio, spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";

import { Client } from "./client.js";
import { Connection } from "./connection.js";
import type { Endpoint } from "./endpoint.js";
import { LanspreadError, SPAWN_FAILED, SPAWN_TIMEOUT } from "./errors.js";
import {
  type Greeting,
  greetingLine,
  isRefusal,
  MAX_LINE_CHARS,
  parseReadyLine,
  type StartSettings,
  startFailure,
} from "./handshake.js";
import { LineCutter } from "./lines.js";

const START_TIMEOUT_MS = 30_000;
/** How long a sidecar that was told to end may take before it is killed. */
const END_TIMEOUT_MS = 5000;

export interface SpawnOptions {
  gameDir: string;
  stateDir: string;
  /** The program and its first arguments, before `serve`; default: `lanspread-peer`. */
  command?: readonly [string, ...string[]];
  settings?: StartSettings;
  logLevel?: Greeting["logLevel"];
  /** Gets each line that the sidecar logs; what it throws is warned of. Default: nobody does. */
  onLog?: (line: string) => void;
  /** Milliseconds until the sidecar must be ready. */
  startTimeoutMs?: number;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Starts a sidecar and waits until it serves.
 *
 * Throws LanspreadError: SPAWN_FAILED when the sidecar ends instead, with the metadata `exit_code`,
 * `last_line`, and `sidecar_reason` if it gave one, or when there is no such program;
 * SPAWN_TIMEOUT; HANDSHAKE_INVALID or API_UNSUPPORTED for what is no sidecar for this client. No
 * process is left then. Throws TypeError, and starts none, for settings that no JSON can say.
 */
export async function spawn(options: SpawnOptions): Promise<Sidecar> {
  const { command = ["lanspread-peer"], onLog = () => undefined } = options;
  const greeting = greetingLine({ ...options, parentPid: process.pid });
  const [program, ...words] = command;
  const child = spawnProcess(program, [...words, "serve", "--managed"], {
    stdio: ["pipe", "pipe", "pipe"],
    windowsHide: true,
  });
  if (child.stdin === undefined) {
    // The types do not know that where no file is left, an error comes and no pipe.
    const [error] = await once(child, "error");
    throw spawnFailure(error);
  }
  const watched = new WatchedChild(child, onLog);
  try {
    child.stdin.write(greeting);
    return new Sidecar(watched, await watched.ready(options.startTimeoutMs ?? START_TIMEOUT_MS));
  } catch (error) {
    await watched.kill();
    throw error;
  }
}

/** A running sidecar: `client` drives it, `close` ends it. */
export class Sidecar implements AsyncDisposable {
  /** The calls and the events; ends with the sidecar. */
  readonly client: Client;
  /** What it said when it was ready; its process is a child of the one that we started in a bundle. */
  readonly endpoint: Endpoint;
  /** Resolves with the exit code once the sidecar has ended, null when it was killed. */
  readonly exited: Promise<number | null>;
  readonly #child: WatchedChild;
  #closing: Promise<number | null> | undefined;

  constructor(child: WatchedChild, endpoint: Endpoint) {
    this.#child = child;
    this.endpoint = endpoint;
    const { address, token, tlsCertificate } = endpoint;
    const connection = new Connection(address, token, tlsCertificate);
    this.client = new Client(connection, async () => child.isRunning);
    this.exited = child.exited;
    void child.exited.then(() => connection.abandon());
  }

  /** Ends the sidecar in order, kills it when it takes too long; its exit code, as `exited`. */
  close(): Promise<number | null> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(): Promise<number | null> {
    // One that does not answer, or has ended, needs no more than its stdin closed.
    const asked = this.client.shutdown().catch(() => undefined);
    await inTime(asked, END_TIMEOUT_MS);
    const code = await this.#child.end(this.endpoint.pid);
    this.client.close();
    return code;
  }
}

class WatchedChild {
  readonly exited: Promise<number | null>;
  readonly #child: Child;
  readonly #readyLine: Promise<string>;
  #lastLine = "";

  constructor(child: Child, onLog: (line: string) => void) {
    this.#child = child;
    // Only `close` comes in every case, also when there is no such program.
    this.exited = new Promise((resolve) => {
      child.once("exit", resolve);
      child.once("close", resolve);
    });
    this.#readyLine = new Promise((resolve, reject) => {
      child.once("error", (error) => reject(spawnFailure(error)));
      const stdout = new LineCutter(resolve, MAX_LINE_CHARS);
      child.stdout.on("data", (data: Buffer) => stdout.push(data));
      // By then all that it printed is read.
      child.once("close", (code) => reject(startFailure(this.#lastLine, code)));
    });
    const stderr = new LineCutter((line) => {
      if (line && !isRefusal(this.#lastLine)) {
        this.#lastLine = line;
      }
      tell(onLog, line);
    });
    child.stderr.on("data", (data: Buffer) => stderr.push(data));
    child.stderr.on("end", () => stderr.end());
    // A sidecar that ended first has closed the pipe; `exited` tells.
    child.stdin.on("error", () => undefined);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What it says once it serves. */
  async ready(timeoutMs: number): Promise<Endpoint> {
    const line = await inTime(this.#readyLine, timeoutMs);
    if (line === undefined) {
      const message = `the sidecar was not ready within ${timeoutMs / 1000} s`;
      throw new LanspreadError(SPAWN_TIMEOUT, message);
    }
    return parseReadyLine(line);
  }

  /** Closes its stdin, which ends it, and kills it when that takes too long. */
  async end(pid: number): Promise<number | null> {
    this.#child.stdin.end();
    if ((await inTime(this.exited, END_TIMEOUT_MS)) === undefined) {
      killProcess(pid);
      await this.kill();
    }
    return this.exited;
  }

  async kill(): Promise<void> {
    // Ends the other half of a bundle.
    this.#child.stdin.destroy();
    this.#child.kill("SIGKILL");
    await this.exited;
  }
}

/** Hands on a line; a failure of the reader is warned of, as it would end this whole process. */
function tell(onLog: (line: string) => void, line: string): void {
  try {
    onLog(line);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}

/** What the promise gives, or undefined when it takes longer. */
async function inTime<Value>(
  promise: Promise<Value>,
  timeoutMs: number,
): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** A bundle is two processes, of which we started the one that waits for the other. */
function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function spawnFailure(error: Error): LanspreadError {
  return new LanspreadError(SPAWN_FAILED, error.message, {}, undefined, { cause: error });
}
