import assert from "node:assert/strict";
import { test } from "node:test";

import { UpdateSettingsRequest } from "../src/generated/lanspread/peer/v1/peer_service.js";
import { settingsRequest } from "../src/settings.js";

test("what is named changes, null goes back to the default, all else stays", () => {
  const request = settingsRequest({
    uploadBytesPerSecond: 2n ** 40n,
    downloadBytesPerSecond: null,
    uploadSlots: 0,
  });
  const received = UpdateSettingsRequest.decode(UpdateSettingsRequest.encode(request).finish());
  assert.deepEqual(received.updateMask, [
    "upload_bytes_per_second",
    "download_bytes_per_second",
    "upload_slots",
  ]);
  assert.equal(received.settings?.uploadBytesPerSecond, 2n ** 40n);
  assert.equal(received.settings?.downloadBytesPerSecond, undefined);
  assert.equal(received.settings?.uploadSlots, 0);
});
