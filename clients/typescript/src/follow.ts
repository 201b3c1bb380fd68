/** Picks one download or verification out of an event stream, until it has ended. */

import { LanspreadError, STREAM_ENDED } from "./errors.js";
import type { WatchEventsResponse } from "./generated/lanspread/peer/v1/events.js";
import {
  type Download,
  DownloadState,
  type Verification,
  VerificationState,
} from "./generated/lanspread/peer/v1/types.js";

/** Something that is started by a call, told of by events, and ends once. */
export interface Followed<Item extends { id: string }> {
  readonly kind: "download" | "verification";
  /** What a message tells of it. */
  readonly itemIn: (message: WatchEventsResponse) => Item | undefined;
  readonly hasEnded: (item: Item) => boolean;
}

export const DOWNLOADS: Followed<Download> = {
  kind: "download",
  itemIn({ event }) {
    if (event?.$case === "snapshotItem") {
      return event.value.item?.$case === "download" ? event.value.item.value : undefined;
    }
    return event !== undefined && "download" in event.value ? event.value.download : undefined;
  },
  hasEnded: ({ state }) =>
    state === DownloadState.FINISHED ||
    state === DownloadState.FAILED ||
    state === DownloadState.CANCELLED,
};

export const VERIFICATIONS: Followed<Verification> = {
  kind: "verification",
  itemIn({ event }) {
    if (event?.$case === "snapshotItem") {
      return event.value.item?.$case === "verification" ? event.value.item.value : undefined;
    }
    return event !== undefined && "verification" in event.value
      ? event.value.verification
      : undefined;
  },
  hasEnded: ({ state }) =>
    state === VerificationState.FINISHED ||
    state === VerificationState.FAILED ||
    state === VerificationState.CANCELLED,
};

/**
 * The one with this id, now and after every change, until it has ended.
 *
 * Throws LanspreadError: DOWNLOAD_NOT_FOUND or VERIFICATION_NOT_FOUND when the events begin with a
 * snapshot without it, STREAM_ENDED when they end first.
 */
export async function* follow<Item extends { id: string }>(
  { kind, itemIn, hasEnded }: Followed<Item>,
  id: string,
  events: AsyncIterable<WatchEventsResponse>,
): AsyncGenerator<Item, void, undefined> {
  let isKnown = false;
  for await (const message of events) {
    const item = itemIn(message);
    if (item?.id === id) {
      isKnown = true;
      yield item;
      if (hasEnded(item)) {
        return;
      }
    } else if (message.event?.$case === "snapshotComplete" && !isKnown) {
      const reason = `${kind.toUpperCase()}_NOT_FOUND`;
      throw new LanspreadError(reason, `no ${kind} has the id ${id}`, { [`${kind}_id`]: id });
    }
  }
  throw new LanspreadError(STREAM_ENDED, `the events ended before the ${kind}`);
}
