import assert from "node:assert/strict";
import { test } from "node:test";

import { LineCutter } from "../src/lines.js";

function cut(parts: readonly (string | Buffer)[], maxChars = 8): string[] {
  const lines: string[] = [];
  const cutter = new LineCutter((line) => lines.push(line), maxChars);
  for (const part of parts) {
    cutter.push(Buffer.from(part));
  }
  cutter.end();
  return lines;
}

test("lines come whole, however they arrive", () => {
  assert.deepEqual(cut(["a", "b\nc\n", "\nd"]), ["ab", "c", "", "d"]);
});

test("a character that arrives in two parts stays one", () => {
  const [first, ...rest] = Buffer.from("ü\n");
  assert.deepEqual(cut([Buffer.from([first ?? 0]), Buffer.from(rest)]), ["ü"]);
});

test("what has no end is cut, so that it takes no memory", () => {
  assert.deepEqual(cut(["12345678"]), ["12345678"]);
  assert.deepEqual(cut(["12345", "6789", "x\n"]), ["123456789", "x"]);
});
