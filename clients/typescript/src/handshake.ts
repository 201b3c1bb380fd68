/** The two lines between a front end and the sidecar that it spawns with `serve --managed`. */

import { type Endpoint, endpointOf, objectIn } from "./endpoint.js";
import { HANDSHAKE_INVALID, LanspreadError, SPAWN_FAILED } from "./errors.js";

const HANDSHAKE_VERSION = 1;
/** A sidecar's line has a few hundred characters; what is longer is something else. */
export const MAX_LINE_CHARS = 64 * 1024;

const REFUSAL = /^lanspread-peer: ([A-Z][A-Z_]*): (.*)$/;

/** The keys of the sidecar's config file, with the same checks. */
export interface StartSettings {
  name?: string;
  bind?: string;
  port?: number;
  listen?: string;
  peer?: readonly string[];
  mdns?: boolean;
  patience_seconds?: number;
  upload_bytes_per_second?: number;
  download_bytes_per_second?: number;
  upload_slots?: number;
  [key: string]: unknown;
}

export interface Greeting {
  gameDir: string;
  stateDir: string;
  parentPid: number;
  logLevel?: "debug" | "info" | "warning" | "error" | undefined;
  settings?: StartSettings | undefined;
}

/** The line that goes to the sidecar's stdin. */
export function greetingLine({
  gameDir,
  stateDir,
  parentPid,
  logLevel,
  settings,
}: Greeting): string {
  const greeting = {
    game_dir: gameDir,
    state_dir: stateDir,
    parent_pid: parentPid,
    log_level: logLevel,
    settings,
  };
  return `${JSON.stringify(greeting)}\n`;
}

/** What the sidecar answers once it serves; throws HANDSHAKE_INVALID or API_UNSUPPORTED. */
export function parseReadyLine(line: string): Endpoint {
  if (line.length > MAX_LINE_CHARS) {
    throw new LanspreadError(HANDSHAKE_INVALID, "the sidecar's first line is too long");
  }
  if (objectIn(line).lanspread !== HANDSHAKE_VERSION) {
    throw new LanspreadError(HANDSHAKE_INVALID, "the program is no sidecar that we understand");
  }
  return endpointOf(line, HANDSHAKE_INVALID, "the sidecar's first line");
}

/** Whether a line is the one by which a sidecar tells why it does not start. */
export function isRefusal(line: string): boolean {
  return REFUSAL.test(line);
}

/** Why a sidecar ended before it was ready, by the last line that it logged. */
export function startFailure(lastLine: string, code: number | null): LanspreadError {
  const [, reason, sentence = lastLine] = REFUSAL.exec(lastLine) ?? [];
  const metadata = {
    exit_code: String(code ?? ""),
    last_line: lastLine,
    ...(reason === undefined ? {} : { sidecar_reason: reason }),
  };
  return new LanspreadError(SPAWN_FAILED, `the sidecar did not start: ${sentence}`, metadata);
}
