/** One channel to one sidecar: how to dial, what lets us in, and how long to wait. */

import { BlockList, isIPv6 } from "node:net";
import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
} from "@grpc/grpc-js";

import { errorOf, LanspreadError, NOT_RUNNING, TLS_REQUIRED } from "./errors.js";

export const DEADLINE_MS = 10_000;
/** For calls that ask other peers, or work through the game folder, before they answer. */
export const SLOW_DEADLINE_MS = 30_000;
/** For the removal of many small files on a slow disk. */
export const REMOVE_DEADLINE_MS = 600_000;

const CHANNEL_OPTIONS = {
  // gRPC would send calls to this very machine through a proxy that the environment names.
  "grpc.enable_http_proxy": 0,
  // A sidecar that comes back is found again within a second, not after gRPC's two minutes.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
  // Else an event stream waits for ever on a connection that died in silence, as when a PC sleeps.
  // A sidecar permits a ping each 10 s.
  "grpc.keepalive_time_ms": 20_000,
  "grpc.keepalive_timeout_ms": 10_000,
};

// What the certificate of every sidecar says; which one it is, the certificate itself tells.
const TLS_NAME = { "grpc.ssl_target_name_override": "lanspread-peer" };

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

export class Connection {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #closed = new AbortController();
  #refusal: LanspreadError | undefined;

  /**
   * `address` is a gRPC target; without a token nothing but health answers.
   *
   * With a certificate in PEM, only a sidecar that has exactly this one is talked to. Throws
   * TLS_REQUIRED without one for an address beyond this machine.
   */
  constructor(address: string, token?: string, tlsCertificate = "") {
    const options = tlsCertificate ? { ...CHANNEL_OPTIONS, ...TLS_NAME } : CHANNEL_OPTIONS;
    this.#client = new Client(address, credentialsFor(address, tlsCertificate), options);
    if (token !== undefined) {
      this.#metadata.set("authorization", `Bearer ${token}`);
    }
  }

  /** Aborted once the connection is closed from this end. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The answer; rejects with LanspreadError. */
  call<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    deadlineMs: number = DEADLINE_MS,
  ): Promise<Response> {
    if (this.#refusal !== undefined) {
      return Promise.reject(this.#refusal);
    }
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        { deadline: Date.now() + deadlineMs },
        (error, response) => {
          if (error !== null) {
            reject(errorOf(error));
          } else {
            resolve(response as Response);
          }
        },
      );
    });
  }

  /** The messages of a stream, which the caller must cancel; throws LanspreadError. */
  stream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
  ): ClientReadableStream<Response> {
    if (this.#refusal !== undefined) {
      throw this.#refusal;
    }
    const stream = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
    );
    // Who reads it hears of errors; one that comes when nobody reads any more ends no process.
    stream.on("error", () => undefined);
    return stream;
  }

  /** Ends it, and its streams. */
  close(): void {
    this.#refusal ??= new LanspreadError("CLOSED", "this client is closed");
    this.#closed.abort();
    this.#client.close();
  }

  /** Makes no call any more, as the sidecar is gone: its address may be somebody else's next. */
  abandon(): void {
    this.#refusal ??= new LanspreadError(NOT_RUNNING, "the sidecar has ended");
    this.#client.close();
  }
}

function credentialsFor(address: string, tlsCertificate: string): ChannelCredentials {
  if (tlsCertificate) {
    return credentials.createSsl(Buffer.from(tlsCertificate));
  }
  // Elsewhere, the token would go over the network for all to read.
  if (!isOnThisMachine(address)) {
    const message = `${address} is not on this machine: expected the sidecar's certificate`;
    throw new LanspreadError(TLS_REQUIRED, message, { address });
  }
  return credentials.createInsecure();
}

function isOnThisMachine(address: string): boolean {
  if (address.startsWith("unix:")) {
    return true;
  }
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || LOOPBACK.check(host, isIPv6(host) ? "ipv6" : "ipv4");
}
