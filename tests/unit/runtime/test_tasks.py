"""Background tasks and threads: none is lost, none fails unseen, none outlives its owner."""

import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs

from lanspread_peer.runtime.tasks import TaskSet, run_in_thread


async def test_work_in_a_thread_gives_its_result_and_its_error() -> None:
    assert await run_in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await run_in_thread(divmod, 1, 0)


async def test_a_cancelled_caller_waits_for_its_thread_however_often_it_is_cancelled() -> None:
    release, steps = threading.Event(), list[str]()

    def work() -> None:
        release.wait(5)
        time.sleep(0.02)
        steps.append("thread")

    async def call() -> None:
        try:
            await run_in_thread(work)
        finally:
            steps.append("caller")

    task = asyncio.ensure_future(call())
    for _ in range(3):
        await asyncio.sleep(0.01)
        task.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["thread", "caller"]


async def test_closing_cancels_what_runs_and_waits_for_its_end() -> None:
    tasks, ended = TaskSet(), list[int]()

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(number)

    for number in range(3):
        tasks.spawn(f"work {number}", work(number))
    await asyncio.sleep(0)
    await tasks.close()
    assert sorted(ended) == [0, 1, 2]
    await tasks.close()


async def test_a_crash_is_reported_and_harms_no_other() -> None:
    tasks = TaskSet()

    async def crash() -> None:
        raise RuntimeError("a bug")

    with capture_logs() as logs:
        other = tasks.spawn("other", asyncio.sleep(0.01, "well"))
        task = tasks.spawn("crashing", crash())
        await asyncio.wait({task})
        await asyncio.sleep(0)
    assert [(line["event"], line["task"], str(line["exc_info"])) for line in logs] == [
        ("task crashed", "crashing", "a bug")
    ]
    assert await other == "well"
    await tasks.close()


async def test_a_cancelled_task_is_no_crash() -> None:
    tasks = TaskSet()
    with capture_logs() as logs:
        tasks.spawn("waiting", asyncio.sleep(60))
        await tasks.close()
        await asyncio.sleep(0)
    assert logs == []
