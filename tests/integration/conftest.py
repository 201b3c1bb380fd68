"""What the tests of whole sidecars share."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.party import Party


@pytest.fixture
async def party(tmp_path: Path) -> AsyncIterator[Party]:
    """Sidecars for one test, all closed at the end; fails when a task is left behind."""
    before = asyncio.all_tasks()
    made = Party(tmp_path)
    try:
        yield made
    finally:
        await made.close()
    assert asyncio.all_tasks() - before - {asyncio.current_task()} == set()
