import assert from "node:assert/strict";
import { test } from "node:test";

import { Metadata, type ServiceError, status } from "@grpc/grpc-js";

import { errorOf, LanspreadError } from "../src/errors.js";
import { RpcErrorInfo, RpcStatus } from "../src/generated/lanspread/client/v1/rpc_error.js";

const info = { reason: "GAME_NOT_FOUND", domain: "lanspread.peer", metadata: { game_id: "aoe2" } };

function failure(code: status, details: string, trailer?: Uint8Array): ServiceError {
  const metadata = new Metadata();
  if (trailer !== undefined) {
    metadata.set("grpc-status-details-bin", Buffer.from(trailer));
  }
  return Object.assign(new Error(details), { code, details, metadata });
}

function trailerWith(typeUrl: string): Uint8Array {
  const value = Buffer.from(RpcErrorInfo.encode(RpcErrorInfo.create(info)).finish());
  const other = {
    typeUrl: "type.googleapis.com/google.rpc.BadRequest",
    value: Buffer.from([1, 2]),
  };
  return RpcStatus.encode(RpcStatus.create({ details: [other, { typeUrl, value }] })).finish();
}

test("what the sidecar said about an error is in it", () => {
  const cause = failure(
    status.NOT_FOUND,
    "nobody has aoe2",
    trailerWith("type.googleapis.com/google.rpc.ErrorInfo"),
  );
  const error = errorOf(cause);
  assert.ok(error instanceof LanspreadError);
  assert.equal(error.reason, "GAME_NOT_FOUND");
  assert.equal(error.message, "nobody has aoe2");
  assert.deepEqual({ ...error.metadata }, { game_id: "aoe2" });
  assert.equal(error.code, status.NOT_FOUND);
  assert.equal(error.cause, cause);
});

test("without details that can be read, the code is the reason", () => {
  const foreign = trailerWith("type.googleapis.com/google.rpc.RetryInfo");
  for (const trailer of [undefined, Buffer.from([0xff, 0xff]), foreign]) {
    assert.equal(errorOf(failure(status.INTERNAL, "oh", trailer)).reason, "INTERNAL");
  }
  assert.equal(errorOf(failure(status.UNAVAILABLE, "refused")).reason, "NO_ANSWER");
  assert.equal(errorOf(failure(status.DEADLINE_EXCEEDED, "")).reason, "DEADLINE_EXCEEDED");
});

test("an error that no call made is not taken for one", () => {
  const bug = new TypeError("a bug");
  assert.throws(() => errorOf(bug), bug);
});
