import assert from "node:assert/strict";
import { test } from "node:test";

import { itemsOf } from "../src/pages.js";

const pages = new Map([
  ["", { items: [1, 2], nextPageToken: "b" }],
  ["b", { items: [], nextPageToken: "c" }],
  ["c", { items: [3], nextPageToken: "" }],
]);

function reader(asked: string[]): AsyncGenerator<number, void> {
  return itemsOf(
    async (pageToken) => {
      asked.push(pageToken);
      return pages.get(pageToken) ?? assert.fail(`no page ${pageToken}`);
    },
    (page) => page.items,
  );
}

test("all items of all pages come, in order", async () => {
  const items: number[] = [];
  for await (const item of reader([])) {
    items.push(item);
  }
  assert.deepEqual(items, [1, 2, 3]);
});

test("a page is asked for when it is needed", async () => {
  const asked: string[] = [];
  for await (const item of reader(asked)) {
    if (item === 2) {
      break;
    }
  }
  assert.deepEqual(asked, [""]);
});
