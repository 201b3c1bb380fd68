/** Spawn, find and drive a lanspread-peer sidecar. */

export {
  type AddressOptions,
  Client,
  connect,
  type DownloadOptions,
  type PageOptions,
  type RemoveOptions,
  type VariantOptions,
  type VerifyOptions,
} from "./client.js";
export type { Endpoint } from "./endpoint.js";
export { LanspreadError } from "./errors.js";
export type { EventOptions } from "./event_stream.js";
export type * from "./generated/lanspread/peer/v1/events.js";
export type {
  GetGameResponse,
  RemoveGameResponse,
} from "./generated/lanspread/peer/v1/peer_service.js";
export type * from "./generated/lanspread/peer/v1/types.js";
export {
  DownloadState,
  FindingKind,
  LocalState,
  PeerState,
  VerificationState,
} from "./generated/lanspread/peer/v1/types.js";
export type { StartSettings } from "./handshake.js";
export { defaultStateDir, readRuntimeFile } from "./runtime_file.js";
export type { SettingsChanges } from "./settings.js";
export { type Sidecar, type SpawnOptions, spawn } from "./spawned.js";
