/** Calls below the library, which has no way to leave out a token or to see a token expire. */

import type { MethodDefinition } from "@grpc/grpc-js";
import { service } from "grpc-health-check";

import { Connection } from "../src/connection.js";
import { errorOf } from "../src/errors.js";
import * as api from "../src/generated/lanspread/peer/v1/peer_service.js";

const { PeerServiceService } = api;

/** What health says of all services, asked without a token. */
export async function health(address: string): Promise<unknown> {
  const method = service.Check as MethodDefinition<object, { status?: unknown }>;
  const connection = new Connection(address);
  try {
    return (await connection.call(method, { service: "" })).status;
  } finally {
    connection.close();
  }
}

export async function askStatus(connection: Connection): Promise<void> {
  await connection.call(PeerServiceService.getStatus, api.GetStatusRequest.create());
}

/** The sizes of the pages of a listing, and the ids on them. */
export async function readPages(
  connection: Connection,
  pageSize: number,
): Promise<{ sizes: number[]; ids: string[] }> {
  const sizes: number[] = [];
  const ids: string[] = [];
  let pageToken = "";
  do {
    const request = api.ListGamesRequest.create({ pageSize, pageToken });
    const page = await connection.call(PeerServiceService.listGames, request);
    sizes.push(page.games.length);
    ids.push(...page.games.map((game) => game.id));
    pageToken = page.nextPageToken;
  } while (pageToken);
  return { sizes, ids };
}

/** The first message of an event stream that is opened once. */
export async function openStream(connection: Connection, resumeToken = ""): Promise<void> {
  const request = api.WatchEventsRequest.create({ resumeToken });
  const stream = connection.stream(PeerServiceService.watchEvents, request);
  try {
    for await (const _ of stream) {
      return;
    }
  } catch (error) {
    throw errorOf(error);
  } finally {
    stream.cancel();
  }
}
