/** What the harness tells: see clients/conformance/SCENARIOS.md. */

import { type Sidecar, spawn } from "@lanspread/client";

export function told(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`${name} is not set; run it by the harness`);
  }
  return value;
}

export function spawnTold(): Promise<Sidecar> {
  return spawn({
    command: JSON.parse(told("CONFORMANCE_SIDECAR")),
    gameDir: told("CONFORMANCE_GAME_DIR"),
    stateDir: told("CONFORMANCE_STATE_DIR"),
    settings: JSON.parse(told("CONFORMANCE_SETTINGS")),
    onLog: (line) => console.error(line),
  });
}
