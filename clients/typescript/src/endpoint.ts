/** What a sidecar says about itself, in its runtime file and in the handshake. */

import { LanspreadError } from "./errors.js";

const API = "lanspread.peer.v1";

export interface Endpoint {
  /** A gRPC target. */
  readonly address: string;
  /** What lets us in; not enumerable, so that no log gets it by accident. */
  readonly token: string;
  /** The one to expect there, in PEM; empty: it is dialled without TLS. */
  readonly tlsCertificate: string;
  /** The process, which may be a child of the one that was started. */
  readonly pid: number;
  /** A random id of this launch. */
  readonly instanceId: string;
  /** The version of the program. */
  readonly version: string;
  /** The APIs that it speaks. */
  readonly api: readonly string[];
}

/** The document as what it means; throws LanspreadError with `reason`, or API_UNSUPPORTED. */
export function endpointOf(document: string, reason: string, where: string): Endpoint {
  const found = parsed(objectIn(document));
  if (found === undefined) {
    throw new LanspreadError(reason, `${where} cannot be understood`);
  }
  if (!found.api.includes(API)) {
    throw new LanspreadError(
      "API_UNSUPPORTED",
      `the sidecar speaks ${found.api.join(", ")}, this client ${API}`,
      { version: found.version },
    );
  }
  return found;
}

/** The JSON object in a text, an empty one when there is none. */
export function objectIn(text: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(text);
    return typeof content === "object" && content !== null ? { ...content } : {};
  } catch {
    return {};
  }
}

function parsed(content: Record<string, unknown>): Endpoint | undefined {
  const { address, token, pid, instance_id: instanceId, version, api } = content;
  const { tls_certificate: tlsCertificate = "" } = content;
  if (
    typeof address === "string" &&
    typeof token === "string" &&
    typeof tlsCertificate === "string" &&
    typeof pid === "number" &&
    Number.isSafeInteger(pid) &&
    // Zero and below would name groups of processes.
    pid > 0 &&
    typeof instanceId === "string" &&
    typeof version === "string" &&
    Array.isArray(api) &&
    api.every((each) => typeof each === "string")
  ) {
    const shown = { address, tlsCertificate, pid, instanceId, version, api, token };
    return Object.defineProperty(shown, "token", { enumerable: false });
  }
  return undefined;
}
