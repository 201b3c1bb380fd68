/** Whom a connection talks to without TLS, and what goes over the wire with it. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";

import { Client } from "../src/client.js";
import { Connection } from "../src/connection.js";

const TLS_HANDSHAKE = 22;

test("an address on this machine is dialled without TLS", () => {
  const addresses = ["unix:/run/s", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"];
  for (const address of addresses) {
    new Connection(address, "token").close();
  }
});

test("any other address needs a certificate", () => {
  for (const address of [
    "192.0.2.1:1",
    "[2001:db8::1]:1",
    "0.0.0.0:1",
    "example.org:1",
    "127.0.0.1.example.org:1",
    "dns:///localhost:1",
    "ipv4:127.0.0.1:1,192.0.2.1:1",
    "127.0.0.1",
  ]) {
    assert.throws(() => Client.at(address, "token"), {
      name: "LanspreadError",
      reason: "TLS_REQUIRED",
      metadata: { address },
    });
    Client.at(address, "token", { tlsCertificate: "PEM" }).close();
  }
});

test("with a certificate, nothing but TLS goes out", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = Client.at(`127.0.0.1:${port}`, "token", { tlsCertificate: "PEM" });
  const answer = client.getStatus().catch(() => undefined);
  const [socket] = await once(server, "connection");
  const [data] = await once(socket, "data");
  assert.equal(data[0], TLS_HANDSHAKE);
  client.close();
  socket.destroy();
  server.close();
  await answer;
});
