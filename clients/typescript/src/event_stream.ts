/** The event stream, which goes on by itself after a broken connection. */

import { setTimeout } from "node:timers/promises";

import type { Connection } from "./connection.js";
import { errorOf } from "./errors.js";
import type { WatchEventsResponse } from "./generated/lanspread/peer/v1/events.js";
import {
  PeerServiceService,
  WatchEventsRequest,
} from "./generated/lanspread/peer/v1/peer_service.js";
import { StreamPlace } from "./stream_place.js";

export interface EventOptions {
  /** Go on after the message with this token, also in another process; default: from a snapshot. */
  resumeToken?: string;
  /** Ends the events at once, without an error; leaving the loop ends them with the next one. */
  signal?: AbortSignal;
}

/** See `Client.events`; `isRunning` tells whether it is worth waiting for the sidecar. */
export async function* eventsOf(
  connection: Connection,
  isRunning: () => Promise<boolean>,
  { resumeToken = "", signal }: EventOptions,
): AsyncGenerator<WatchEventsResponse, void, undefined> {
  const place = new StreamPlace(resumeToken);
  const ended = signal ? AbortSignal.any([signal, connection.closed]) : connection.closed;
  while (!ended.aborted) {
    const request = WatchEventsRequest.fromPartial({ resumeToken: place.resumeToken });
    const stream = connection.stream(PeerServiceService.watchEvents, request);
    const cancel = () => stream.cancel();
    ended.addEventListener("abort", cancel);
    try {
      for await (const message of wholeSnapshots(stream)) {
        if (ended.aborted) {
          return;
        }
        place.receive(message);
        yield message;
      }
      return;
    } catch (error) {
      if (!ended.aborted) {
        await pause(place.pauseAfter(errorOf(error), await isRunning()), ended);
      }
    } finally {
      ended.removeEventListener("abort", cancel);
      cancel();
    }
  }
}

/** The messages, with the items of a snapshot only once it is whole: else they may be gone again. */
async function* wholeSnapshots(
  messages: AsyncIterable<WatchEventsResponse>,
): AsyncGenerator<WatchEventsResponse, void, undefined> {
  let items: WatchEventsResponse[] = [];
  for await (const message of messages) {
    if (message.event?.$case === "snapshotItem") {
      items.push(message);
      continue;
    }
    if (message.event?.$case === "snapshotComplete") {
      yield* items;
      items = [];
    }
    yield message;
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  }
}
