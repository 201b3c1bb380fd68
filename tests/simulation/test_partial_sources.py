"""Sources that each lack a part of the content, as sealed games do that files are missing of."""

from collections.abc import Callable

import pytest

from bench.simulation.virtual_clock import VirtualClock
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import KIB, MAX_RETRY_COUNT, MIB
from support.simulated_sources import (
    MB,
    Answer,
    AnswerOf,
    SimulatedDownload,
    SimulatedSource,
    large_chunks,
)

COUNT = 400


def lacking(lacks: Callable[[int], bool]) -> AnswerOf:
    return lambda chunk: Answer.REFUSE if lacks(chunk) else Answer.HONEST


@pytest.mark.parametrize("length", [4 * KIB, 4 * MIB])
@pytest.mark.parametrize(
    "lacks",
    [
        [lambda chunk: chunk % 2 == 0, lambda chunk: chunk % 2 == 1],
        [lambda chunk: chunk < COUNT // 2, lambda chunk: chunk >= COUNT // 2],
        [lambda chunk: chunk % 3 == 0, lambda chunk: chunk % 3 == 1, lambda chunk: chunk % 3 == 2],
        [lambda chunk: chunk != 7, lambda chunk: chunk == 7],
    ],
    ids=["every other", "halves", "thirds", "all but one"],
)
def test_sources_that_each_lack_a_part_give_all_together_and_are_not_asked_in_a_tight_loop(
    lacks: list[Callable[[int], bool]], length: int
) -> None:
    clock = VirtualClock()
    sources = [
        SimulatedSource(clock, PeerId(f"peer-{number}"), 100 * MB, answer=lacking(each))
        for number, each in enumerate(lacks)
    ]
    download = SimulatedDownload(clock, large_chunks(COUNT, length), sources, seed=1)
    elapsed = download.run()
    # As if one source had given all alone, and for a refusal here and there, a rest.
    assert elapsed <= COUNT * length / (100 * MB) * 1.2 + COUNT * 0.025
    assert all(count <= MAX_RETRY_COUNT * COUNT for count in download.refused.values())
    # At most what fits into a source's room is asked in vain between two rests.
    assert download.refused.total() <= 12 * (1 + elapsed / 0.25) * len(sources)
    assert all(download.bytes_from(peer) for peer in download.sources)
