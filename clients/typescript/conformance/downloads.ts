/** Scenarios of downloads and of the events that tell of them. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { type Client, DownloadState, type WatchEventsResponse } from "@lanspread/client";

import { Connection } from "../src/connection.js";
import { spawnTold, told } from "./environment.js";
import {
  addSeeder,
  downloadIn,
  type Events,
  eventsOf,
  find,
  nameIn,
  snapshotEnd,
} from "./events.js";
import { openStream } from "./raw.js";

const MIB = 1024n * 1024n;
const SLOW = 512n * 1024n;
const FINAL_STATES = new Set([
  DownloadState.FINISHED,
  DownloadState.FAILED,
  DownloadState.CANCELLED,
]);

export async function download(): Promise<void> {
  const sidecar = await spawnTold();
  const { client } = sidecar;
  const gameId = await addSeeder(client);
  const requestId = "one and the same";
  const first = await client.downloadGameFiles(gameId, { requestId });
  const second = await client.downloadGameFiles(gameId, { requestId });
  assert.equal(second.id, first.id);
  let done = 0n;
  let state: DownloadState = first.state;
  for await (const each of client.followDownload(first.id)) {
    assert.ok(each.doneBytes >= done, `${each.doneBytes} bytes after ${done}`);
    done = each.doneBytes;
    state = each.state;
  }
  assert.equal(state, DownloadState.FINISHED);
  assert.equal(await sidecar.close(), 0);
}

export async function resume(): Promise<void> {
  const sidecar = await spawnTold();
  const { client } = sidecar;
  const gameId = await addSeeder(client);
  await client.updateSettings({ downloadBytesPerSecond: MIB });

  const record = new EventRecord();
  const first = eventsOf(client);
  await find(first, "the snapshot is whole", (message) => snapshotEnd(record.take(message)));
  const { id } = await client.downloadGameFiles(gameId);
  const changes = [
    () => client.pauseDownload(id),
    () => client.resumeDownload(id),
    () => client.pauseDownload(id),
    () => client.resumeDownload(id),
  ];
  const seenBeforeDrop = 1 + Math.floor(Math.random() * 4);
  console.error(`drops the stream after event ${seenBeforeDrop} of the download`);
  for (let seen = 1; ; seen++) {
    await find(first, `event ${seen} of the download`, (message) =>
      isNumberedOf(id, record.take(message)) ? true : undefined,
    );
    if (seen === seenBeforeDrop) {
      break;
    }
    await changes.shift()?.();
  }
  await first.return();

  for (const change of changes) {
    await change();
  }
  await client.updateSettings({ downloadBytesPerSecond: null });
  const second = eventsOf(client, record.resumeToken);
  await readToEnd(client, second, record);
  assert.deepEqual(record.finals, ["downloadGameFilesFinished"]);
  assert.equal(record.snapshots, 1);
  assert.equal(await sidecar.close(), 0);
}

export async function expiredToken(): Promise<void> {
  const earlier = await spawnTold();
  const events = eventsOf(earlier.client);
  const token = await find(events, "a resume token", (message) => message.resumeToken || undefined);
  await events.return();
  assert.equal(await earlier.close(), 0);

  const sidecar = await spawnTold();
  const { address, token: access, instanceId } = sidecar.endpoint;
  const connection = new Connection(address, access);
  await assert.rejects(openStream(connection, token), { reason: "RESUME_TOKEN_EXPIRED" });
  connection.close();
  const again = eventsOf(sidecar.client, token);
  assert.equal(await find(again, "a snapshot is whole", snapshotEnd), instanceId);
  await again.return();
  assert.equal(await sidecar.close(), 0);
}

export async function cancel(): Promise<void> {
  const sidecar = await spawnTold();
  const { client } = sidecar;
  const gameId = await addSeeder(client);
  await client.updateSettings({ downloadBytesPerSecond: SLOW });

  const record = new EventRecord();
  const events = eventsOf(client);
  await find(events, "the snapshot is whole", (message) => snapshotEnd(record.take(message)));
  const { id } = await client.downloadGameFiles(gameId);
  await find(events, "some progress", (message) =>
    (downloadIn(record.take(message))?.doneBytes ?? 0n) > 0n ? true : undefined,
  );
  const cancelled = await client.cancelDownload(id);
  assert.equal(cancelled.state, DownloadState.CANCELLED);
  assert.equal(cancelled.error, undefined);
  await readToEnd(client, events, record);
  assert.deepEqual(record.finals, ["downloadGameFilesCancelled"]);
  assert.equal(existsSync(join(told("CONFORMANCE_GAME_DIR"), gameId)), false);
  assert.equal(await sidecar.close(), 0);
}

/** Reads on to the final event of the download, and then to the mark of a new name. */
async function readToEnd(client: Client, events: Events, record: EventRecord): Promise<void> {
  await find(events, "the final event", (message) => {
    record.take(message);
    return record.finals.length > 0 || undefined;
  });
  const name = "the end";
  await client.updateSettings({ name });
  await find(
    events,
    "the new name",
    (message) => nameIn(record.take(message)) === name || undefined,
  );
  await events.return();
}

/** What was told over all streams; throws when a number is missing or comes twice. */
class EventRecord {
  readonly finals: string[] = [];
  resumeToken = "";
  snapshots = 0;
  #latest: bigint | undefined;

  take(message: WatchEventsResponse): WatchEventsResponse {
    this.resumeToken = message.resumeToken || this.resumeToken;
    if (message.sequence > 0n) {
      assert.equal(message.sequence, (this.#latest ?? message.sequence - 1n) + 1n);
      this.#latest = message.sequence;
    }
    if (message.event?.$case === "snapshotComplete") {
      this.snapshots += 1;
    }
    if (message.event && isFinalIn(message)) {
      this.finals.push(message.event.$case);
    }
    return message;
  }
}

function isFinalIn(message: WatchEventsResponse): boolean {
  const download = downloadIn(message);
  return message.sequence > 0n && download !== undefined && FINAL_STATES.has(download.state);
}

function isNumberedOf(downloadId: string, message: WatchEventsResponse): boolean {
  return message.sequence > 0n && downloadIn(message)?.id === downloadId;
}
