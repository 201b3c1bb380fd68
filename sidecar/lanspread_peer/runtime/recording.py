"""Recording: how often what was verified is written down, so that a crash costs little of it."""

import asyncio

from lanspread_peer.model.limits import RECORD_BYTES, RECORD_INTERVAL_S
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.tasks import run_in_thread
from lanspread_peer.storage.staging import Staging

_LOOK_INTERVAL_S = 0.25


async def keep_recording(staging: Staging) -> None:
    """Record the staging again and again until cancelled; raises StorageError."""
    recorded_at = monotonic_s()
    while True:
        await asyncio.sleep(_LOOK_INTERVAL_S)
        unrecorded, now = staging.unrecorded_bytes, monotonic_s()
        if unrecorded >= RECORD_BYTES or (unrecorded and now - recorded_at >= RECORD_INTERVAL_S):
            await run_in_thread(staging.record)
            recorded_at = monotonic_s()
