"""The worker threads of one end of the TLS transport: a fixed number, each with one line."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


class WorkerThreads:
    """Threads come as they are needed, and stay until `close`."""

    def __init__(self, name: str, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[[], _Result], cut: Callable[[], None]) -> _Result:
        """The result of `work`, done in a thread as soon as one is free.

        When the caller is cancelled, `cut` must make the work end soon; this waits for that, so
        that nobody uses what the caller then takes away.
        """
        begun = self._executor.submit(work)
        future = asyncio.wrap_future(begun)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # What no thread has begun never will; nothing of it needs to be cut.
            if not begun.cancel():
                cut()
            while not future.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait({future})
            if not future.cancelled():
                # Nobody is left to hear of a failure, and asyncio would complain that nobody did.
                future.exception()
            raise

    def close(self) -> None:
        """End all threads; the caller has waited for the work."""
        self._executor.shutdown(wait=True, cancel_futures=True)
