/** Event streams whose connection breaks where it hurts. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, test } from "node:test";

import {
  Server as GrpcServer,
  ServerCredentials,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";

import { Client } from "../src/client.js";
import { WatchEventsResponse } from "../src/generated/lanspread/peer/v1/events.js";
import {
  PeerServiceService,
  type WatchEventsRequest,
} from "../src/generated/lanspread/peer/v1/peer_service.js";
import { Game } from "../src/generated/lanspread/peer/v1/types.js";

const KEEPALIVE_TIME_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;

type Watched = ServerWritableStream<WatchEventsRequest, WatchEventsResponse>;

const complete = WatchEventsResponse.create({
  resumeToken: "whole",
  event: { $case: "snapshotComplete", value: { instanceId: "abc" } },
});
const unavailable = Object.assign(new Error("cut"), { code: status.UNAVAILABLE });

let service: GrpcServer;
let port: number;
let client: Client;
/** What each stream of the service gets, the first one first. */
let streams: ((stream: Watched) => void)[];

beforeEach(async () => {
  streams = [];
  service = new GrpcServer();
  service.addService(PeerServiceService, {
    watchEvents: (stream: Watched) => streams.shift()?.(stream),
  });
  port = await new Promise((resolve, reject) => {
    service.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  client = Client.at(`127.0.0.1:${port}`, "token");
});

afterEach(() => {
  client.close();
  service.forceShutdown();
});

function item(id: string): WatchEventsResponse {
  const value = { item: { $case: "game", value: Game.create({ id }) } } as const;
  return WatchEventsResponse.create({ event: { $case: "snapshotItem", value } });
}

function shown({ event }: WatchEventsResponse): string | undefined {
  if (event?.$case === "snapshotItem" && event.value.item?.$case === "game") {
    return event.value.item.value.id;
  }
  return event?.$case;
}

/** What the client's events show, up to the end of a snapshot. */
async function snapshotShown(): Promise<(string | undefined)[]> {
  const seen: (string | undefined)[] = [];
  for await (const message of client.events()) {
    seen.push(shown(message));
    if (message.event?.$case === "snapshotComplete") {
      break;
    }
  }
  return seen;
}

test("a snapshot that breaks off leaves nothing", async () => {
  streams = [
    (stream) => {
      stream.write(item("ghost"));
      stream.emit("error", unavailable);
    },
    (stream) => {
      stream.write(item("one"));
      stream.write(item("two"));
      stream.write(complete);
    },
  ];
  assert.deepEqual(await snapshotShown(), ["one", "two", "snapshotComplete"]);
});

test("an abort in the middle of a snapshot ends it there", async () => {
  streams = [
    (stream) => {
      stream.write(item("one"));
      stream.write(item("two"));
      stream.write(complete);
    },
  ];
  const abort = new AbortController();
  const seen: (string | undefined)[] = [];
  for await (const message of client.events({ signal: abort.signal })) {
    seen.push(shown(message));
    abort.abort();
  }
  assert.deepEqual(seen, ["one"]);
});

test("a connection that died in silence is given up", { timeout: 30_000 }, async (context) => {
  const relay = await startRelay();
  streams = [(stream) => stream.write(complete), (stream) => stream.write(complete)];
  // The pauses before pings, and not the network, which goes on as ever.
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const watcher = Client.at(`127.0.0.1:${relay.port}`, "token");
  const events = watcher.events();
  try {
    await events.next();
    relay.freeze();
    const next = events.next();
    const again = once(relay.server, "connection");
    context.mock.timers.tick(KEEPALIVE_TIME_MS);
    context.mock.timers.tick(KEEPALIVE_TIMEOUT_MS);
    context.mock.timers.reset();
    await again;
    assert.equal(shown((await next).value as WatchEventsResponse), "snapshotComplete");
  } finally {
    watcher.close();
    relay.end();
  }
});

interface Relay {
  server: Server;
  port: number;
  /** Lets nothing through the connections that there are, and does not end them. */
  freeze(): void;
  end(): void;
}

async function startRelay(): Promise<Relay> {
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.push(socket);
      socket.on("error", () => undefined);
    }
    near.pipe(far).pipe(near);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    server,
    port: (server.address() as AddressInfo).port,
    freeze: () => {
      for (const socket of sockets) {
        socket.unpipe().pause();
      }
    },
    end: () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      server.close();
    },
  };
}
