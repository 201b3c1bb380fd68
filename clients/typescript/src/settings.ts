/** Changes of settings as a request. */

import { UpdateSettingsRequest } from "./generated/lanspread/peer/v1/peer_service.js";
import type { Settings } from "./generated/lanspread/peer/v1/types.js";

/** Settings to change; null goes back to the default, which for a rate limit is unlimited. */
export type SettingsChanges = {
  [Name in keyof Settings]?: Exclude<Settings[Name], undefined> | null;
};

/** A request to change what is named, and nothing else. */
export function settingsRequest(changes: SettingsChanges): UpdateSettingsRequest {
  const named = Object.entries(changes).filter(([, value]) => value !== undefined);
  const values = named.map(([name, value]) => [name, value ?? undefined]);
  return UpdateSettingsRequest.create({
    settings: Object.fromEntries(values) as Partial<Settings>,
    updateMask: named.map(([name]) => snakeCase(name)),
  });
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
