import assert from "node:assert/strict";
import { test } from "node:test";

import { LanspreadError, NO_ANSWER, RESUME_TOKEN_EXPIRED } from "../src/errors.js";
import { MAX_TRIES, StreamPlace } from "../src/stream_place.js";

const noAnswer = new LanspreadError(NO_ANSWER, "the sidecar does not answer");
const expired = new LanspreadError(RESUME_TOKEN_EXPIRED, "the events are gone");

test("it goes on after the last message that had a token", () => {
  const place = new StreamPlace("");
  place.receive({ resumeToken: "7" });
  place.receive({ resumeToken: "" });
  assert.equal(place.resumeToken, "7");
});

test("a token that expired is dropped once, and then the error is told", () => {
  const place = new StreamPlace("7");
  assert.equal(place.pauseAfter(expired, true), 0);
  assert.equal(place.resumeToken, "");
  assert.throws(() => place.pauseAfter(expired, true), expired);
});

test("a sidecar that runs is tried again with growing pauses, but not for ever", () => {
  const place = new StreamPlace("");
  const pauses = Array.from({ length: MAX_TRIES }, () => place.pauseAfter(noAnswer, true));
  assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  assert.throws(() => place.pauseAfter(noAnswer, true), noAnswer);
});

test("any message starts the tries anew", () => {
  const place = new StreamPlace("");
  place.pauseAfter(noAnswer, true);
  place.receive({ resumeToken: "" });
  assert.equal(place.pauseAfter(noAnswer, true), 100);
});

test("one that has ended is not tried again, and neither is one that refuses", () => {
  assert.throws(() => new StreamPlace("7").pauseAfter(noAnswer, false), noAnswer);
  const refused = new LanspreadError("UNAUTHENTICATED", "no token");
  assert.throws(() => new StreamPlace("7").pauseAfter(refused, true), refused);
});
