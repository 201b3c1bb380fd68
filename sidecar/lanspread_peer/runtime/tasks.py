"""Tasks that are kept, named, and never fail unseen.

asyncio forgets a task that nobody refers to and swallows its exception; a `TaskSet` does
neither. Closing it cancels what still runs and waits for the end.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

_log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")


async def run_in_thread(work: Callable[..., _Result], *args: object, **kwargs: object) -> _Result:
    """The result of blocking `work`, which always runs to its end.

    A thread cannot be cancelled. When the caller is, this waits for the thread first, so that
    nothing is still writing to what the caller then takes away.
    """
    future = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            # However often it is cancelled: the thread does not hear of it.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({future})
        # Nobody is left to hear of a failure, and asyncio would complain that nobody did.
        future.exception()
        raise


async def run_to_end(work: Awaitable[_Result]) -> _Result:
    """The result of `work`, even if the caller is cancelled meanwhile; then that came too late."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    return task.result()


async def first_of(*waits: Awaitable[object]) -> None:
    """Waits until one of them is over; a future among them goes on, all else ends."""
    tasks = {asyncio.ensure_future(wait): wait for wait in waits}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task, wait in tasks.items():
            if task is not wait:
                task.cancel()


def raise_if_cancelled() -> None:
    """Raises CancelledError when a cancel came during `run_to_end` and was not too late."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class TaskSet:
    """The background tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` in the background; a crash is logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel what still runs, and wait until all have ended."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        _log.error("task crashed", task=task.get_name(), exc_info=error)
