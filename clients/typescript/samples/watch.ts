/** Tells what a running sidecar does, until it ends: `node dist/samples/watch.js [STATE_DIR]`. */

import { connect, LanspreadError, type WatchEventsResponse } from "@lanspread/client";

const [stateDir] = process.argv.slice(2);

function lineOf({ time, event }: WatchEventsResponse): string {
  const told = JSON.stringify(event?.value ?? {}, (_, value: unknown) =>
    typeof value === "bigint" ? Number(value) : value,
  );
  return `${time?.toISOString()} ${event?.$case ?? "something newer"} ${told}`;
}

try {
  const client = await connect(stateDir === undefined ? {} : { stateDir });
  const status = await client.getStatus();
  console.log(`${status.name}, version ${status.version}, has ${status.gameCount} games`);
  for await (const message of client.events()) {
    console.log(lineOf(message));
  }
  console.log("the sidecar has ended");
  client.close();
} catch (error) {
  if (!(error instanceof LanspreadError)) {
    throw error;
  }
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 1;
}
