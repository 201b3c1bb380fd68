/** The one error that the library throws, with everything the sidecar said about it. */

import { type Metadata, type ServiceError, status } from "@grpc/grpc-js";

import { RpcErrorInfo, RpcStatus } from "./generated/lanspread/client/v1/rpc_error.js";

export const NOT_RUNNING = "NOT_RUNNING";
export const NO_ANSWER = "NO_ANSWER";
export const SPAWN_FAILED = "SPAWN_FAILED";
export const SPAWN_TIMEOUT = "SPAWN_TIMEOUT";
export const HANDSHAKE_INVALID = "HANDSHAKE_INVALID";
export const TLS_REQUIRED = "TLS_REQUIRED";
export const STREAM_ENDED = "STREAM_ENDED";
export const RESUME_TOKEN_EXPIRED = "RESUME_TOKEN_EXPIRED";

const DETAILS_TRAILER = "grpc-status-details-bin";
const ERROR_INFO_URL = "type.googleapis.com/google.rpc.ErrorInfo";

/**
 * A call that failed.
 *
 * `reason` is stable and in UPPER_SNAKE; decide by it. `message` is a sentence for people,
 * `metadata` holds its values, `code` is the gRPC code, undefined when no call was made.
 */
export class LanspreadError extends Error {
  override readonly name = "LanspreadError";

  constructor(
    readonly reason: string,
    message: string,
    readonly metadata: Readonly<Record<string, string>> = {},
    readonly code?: status,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What a failed call said; what is not an error of a call is thrown again as it is. */
export function errorOf(error: unknown): LanspreadError {
  if (error instanceof LanspreadError) {
    return error;
  }
  if (!isServiceError(error)) {
    throw error;
  }
  const { code, details } = error;
  const options = { cause: error };
  const info = errorInfoOf(error.metadata);
  if (info !== undefined) {
    return new LanspreadError(info.reason, details, info.metadata, code, options);
  }
  if (code === status.UNAVAILABLE) {
    return new LanspreadError(NO_ANSWER, "the sidecar does not answer", {}, code, options);
  }
  const reason = status[code] ?? "UNKNOWN";
  if (code === status.DEADLINE_EXCEEDED) {
    return new LanspreadError(reason, "the sidecar took too long to answer", {}, code, options);
  }
  return new LanspreadError(reason, details || reason, {}, code, options);
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}

function errorInfoOf(metadata: Metadata): RpcErrorInfo | undefined {
  const [trailer] = metadata.get(DETAILS_TRAILER);
  if (!Buffer.isBuffer(trailer)) {
    return undefined;
  }
  try {
    const found = RpcStatus.decode(trailer).details.find(
      ({ typeUrl }) => typeUrl === ERROR_INFO_URL,
    );
    return found && RpcErrorInfo.decode(found.value);
  } catch {
    // What cannot be read tells nothing; the status code still does.
    return undefined;
  }
}
