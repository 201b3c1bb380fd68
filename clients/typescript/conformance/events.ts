/** Reading event streams to a certain point. */

import type { Client, Download, Game, WatchEventsResponse } from "@lanspread/client";

import { told } from "./environment.js";

const PATIENCE_MS = 30_000;

export type Events = AsyncGenerator<WatchEventsResponse, void>;

export function eventsOf(client: Client, resumeToken = ""): Events {
  return client.events({ resumeToken, signal: AbortSignal.timeout(PATIENCE_MS) });
}

/** What `pick` finds first; the stream stays open. */
export async function find<Found>(
  events: Events,
  what: string,
  pick: (message: WatchEventsResponse) => Found | undefined,
): Promise<Found> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) {
      throw new Error(`the events ended before ${what}`);
    }
    const found = pick(value);
    if (found !== undefined) {
      return found;
    }
  }
}

export function snapshotEnd({ event }: WatchEventsResponse): string | undefined {
  return event?.$case === "snapshotComplete" ? event.value.instanceId : undefined;
}

export function gamesIn({ event }: WatchEventsResponse): readonly Game[] {
  if (event?.$case === "gamesUpdated") {
    return event.value.games;
  }
  if (event?.$case === "snapshotItem" && event.value.item?.$case === "game") {
    return [event.value.item.value];
  }
  return [];
}

/** The download that an event tells of, which is no part of a snapshot. */
export function downloadIn({ event }: WatchEventsResponse): Download | undefined {
  return event !== undefined && "download" in event.value ? event.value.download : undefined;
}

export function nameIn({ event }: WatchEventsResponse): string | undefined {
  return event?.$case === "settingsChanged" ? event.value.settings?.name : undefined;
}

/** Adds the seeder and waits until its game is known; the id of the game. */
export async function addSeeder(client: Client): Promise<string> {
  const gameId = told("CONFORMANCE_GAME");
  await client.addPeer(told("CONFORMANCE_SEEDER"));
  const events = eventsOf(client);
  await find(events, `a peer has ${gameId}`, (message) =>
    gamesIn(message).find((game) => game.id === gameId && game.peerCount > 0),
  );
  await events.return();
  return gameId;
}
