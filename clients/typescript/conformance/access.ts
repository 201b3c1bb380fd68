/** Scenarios of the start, the end, and who gets in. */

import assert from "node:assert/strict";

import { Client, connect } from "@lanspread/client";

import { Connection } from "../src/connection.js";
import { spawnTold, told } from "./environment.js";
import { eventsOf, find, gamesIn, snapshotEnd } from "./events.js";
import { askStatus, health, openStream, readPages } from "./raw.js";

/** Nobody's: RFC 5737. */
const ELSEWHERE = "192.0.2.1:9";

export async function spawnAndEnd(): Promise<void> {
  const sidecar = await spawnTold();
  assert.equal(await health(sidecar.endpoint.address), "SERVING");
  const status = await sidecar.client.getStatus();
  assert.equal(status.instanceId, sidecar.endpoint.instanceId);
  assert.equal(status.version, sidecar.endpoint.version);
  assert.equal(await sidecar.close(), 0);
}

export async function refusedToken(): Promise<void> {
  const sidecar = await spawnTold();
  for (const token of ["x".repeat(sidecar.endpoint.token.length), undefined]) {
    const connection = new Connection(sidecar.endpoint.address, token);
    await assert.rejects(askStatus(connection), { reason: "UNAUTHENTICATED" });
    await assert.rejects(openStream(connection), { reason: "UNAUTHENTICATED" });
    connection.close();
  }
  assert.equal(await sidecar.close(), 0);
}

export async function wrongField(): Promise<void> {
  const sidecar = await spawnTold();
  await assert.rejects(
    sidecar.client.downloadGameFiles("aoe2", { contentId: "no hash" }),
    (error: Error & { reason?: string; metadata?: Record<string, string> }) => {
      assert.equal(error.reason, "INVALID_FIELD");
      assert.equal(error.metadata?.field, "content_id");
      return true;
    },
  );
  assert.equal(await sidecar.close(), 0);
}

export async function listPages(): Promise<void> {
  const sidecar = await spawnTold();
  const { client, endpoint } = sidecar;
  const missing = new Set<string>(JSON.parse(told("CONFORMANCE_GAMES")));
  const expected = [...missing].sort();
  const events = eventsOf(client);
  await find(events, "all games are known", (message) => {
    for (const game of gamesIn(message)) {
      missing.delete(game.id);
    }
    return missing.size === 0 || undefined;
  });
  await events.return();

  const connection = new Connection(endpoint.address, endpoint.token);
  const { sizes, ids } = await readPages(connection, 10);
  connection.close();
  assert.deepEqual(sizes, [10, 10, 5]);
  assert.deepEqual([...ids].sort(), expected);

  const listed: string[] = [];
  for await (const game of client.listGames({ pageSize: 10 })) {
    listed.push(game.id);
  }
  assert.deepEqual(listed, ids);
  assert.equal(await sidecar.close(), 0);
}

export async function tls(): Promise<void> {
  const earlier = await spawnTold();
  const { tlsCertificate: another } = earlier.endpoint;
  assert.notEqual(another, "");
  assert.equal(await earlier.close(), 0);

  const sidecar = await spawnTold();
  const { address, token, tlsCertificate, instanceId } = sidecar.endpoint;
  assert.equal((await sidecar.client.getStatus()).instanceId, instanceId);
  const found = await connect({ stateDir: told("CONFORMANCE_STATE_DIR") });
  for (const client of [found, Client.at(address, token, { tlsCertificate })]) {
    assert.equal((await client.getStatus()).instanceId, instanceId);
    client.close();
  }
  const mistaken = Client.at(address, token, { tlsCertificate: another });
  await assert.rejects(mistaken.getStatus(), { reason: "NO_ANSWER" });
  mistaken.close();
  assert.throws(() => Client.at(ELSEWHERE, token), { reason: "TLS_REQUIRED" });
  assert.equal(await sidecar.close(), 0);
}

export async function shutdown(): Promise<void> {
  const sidecar = await spawnTold();
  const events = eventsOf(sidecar.client);
  await find(events, "the snapshot is whole", snapshotEnd);
  await sidecar.client.shutdown();
  for await (const _ of events) {
    // Whatever still comes; an error would be thrown.
  }
  assert.equal(await sidecar.exited, 0);
}

export async function parentKilled(): Promise<void> {
  const sidecar = await spawnTold();
  console.log(JSON.stringify({ pid: sidecar.endpoint.pid }));
  await sidecar.exited;
  throw new Error("the sidecar ended before its parent");
}
