import assert from "node:assert/strict";
import { test } from "node:test";

import { DOWNLOADS, type Followed, follow, VERIFICATIONS } from "../src/follow.js";
import { WatchEventsResponse } from "../src/generated/lanspread/peer/v1/events.js";
import {
  Download,
  DownloadState,
  Verification,
  VerificationState,
} from "../src/generated/lanspread/peer/v1/types.js";

type Event = NonNullable<WatchEventsResponse["event"]>;

const download = Download.create({ id: "mine", doneBytes: 7n });
const finished = Download.create({ id: "mine", state: DownloadState.FINISHED });
const other = Download.create({ id: "other", state: DownloadState.FAILED });
const verification = Verification.create({ id: "mine" });
const verified = Verification.create({ id: "mine", state: VerificationState.FINISHED });
const complete: Event = { $case: "snapshotComplete", value: { instanceId: "abc" } };

async function* told(events: readonly Event[]): AsyncGenerator<WatchEventsResponse> {
  for (const event of events) {
    yield WatchEventsResponse.create({ event });
  }
}

async function all<Item extends { id: string }>(
  followed: Followed<Item>,
  events: readonly Event[],
): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of follow(followed, "mine", told(events))) {
    items.push(item);
  }
  return items;
}

test("every event of a download shows it, until its final state", async () => {
  const value = { download };
  const events: Event[] = [
    { $case: "snapshotItem", value: { item: { $case: "download", value: download } } },
    complete,
    { $case: "downloadGameFilesBegin", value },
    { $case: "downloadGameFilesProgress", value },
    { $case: "downloadGameFilesWaiting", value },
    { $case: "downloadGameFilesResumed", value },
    { $case: "downloadGameFilesPaused", value },
    { $case: "downloadGameFilesFinished", value: { download: finished } },
    { $case: "downloadGameFilesProgress", value },
  ];
  const expected = [...Array(6).fill(download), finished];
  assert.deepEqual(await all(DOWNLOADS, events), expected);
});

test("every event of a verification shows it, until its final state", async () => {
  const value = { verification };
  const events: Event[] = [
    { $case: "snapshotItem", value: { item: { $case: "verification", value: verification } } },
    { $case: "verifyGameBegin", value },
    { $case: "verifyGameProgress", value },
    { $case: "verifyGameEnded", value: { verification: verified } },
  ];
  const expected = [verification, verification, verification, verified];
  assert.deepEqual(await all(VERIFICATIONS, events), expected);
});

test("others, and other events, are passed over", async () => {
  const events: Event[] = [
    { $case: "downloadGameFilesFailed", value: { download: other } },
    { $case: "verifyGameEnded", value: { verification: verified } },
    { $case: "heartbeat", value: {} },
    { $case: "downloadGameFilesCancelled", value: { download: finished } },
  ];
  assert.deepEqual(await all(DOWNLOADS, events), [finished]);
});

test("a snapshot without it ends the wait, a second one does not", async () => {
  await assert.rejects(all(DOWNLOADS, [complete]), {
    reason: "DOWNLOAD_NOT_FOUND",
    metadata: { download_id: "mine" },
  });
  await assert.rejects(all(VERIFICATIONS, [complete]), { reason: "VERIFICATION_NOT_FOUND" });
  const begun: Event = { $case: "downloadGameFilesBegin", value: { download } };
  const ended: Event = { $case: "downloadGameFilesFinished", value: { download: finished } };
  assert.deepEqual(await all(DOWNLOADS, [begun, complete, ended]), [download, finished]);
});

test("events that end before it are told", async () => {
  const begun: Event = { $case: "downloadGameFilesBegin", value: { download } };
  await assert.rejects(all(DOWNLOADS, [begun]), { reason: "STREAM_ENDED" });
});

test("three states of each are final", () => {
  const downloads = Object.values(DownloadState).filter((state) =>
    DOWNLOADS.hasEnded(Download.create({ state })),
  );
  assert.deepEqual(downloads, [
    DownloadState.FINISHED,
    DownloadState.FAILED,
    DownloadState.CANCELLED,
  ]);
  const verifications = Object.values(VerificationState).filter((state) =>
    VERIFICATIONS.hasEnded(Verification.create({ state })),
  );
  assert.deepEqual(verifications, [
    VerificationState.FINISHED,
    VerificationState.FAILED,
    VerificationState.CANCELLED,
  ]);
});
