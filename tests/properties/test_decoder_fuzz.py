"""No bytes at all make a decoder raise what it does not promise, or cost more than its share."""

import json
import tracemalloc
from pathlib import Path
from random import Random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanspread_peer.model.limits import MIB
from lanspread_peer.wire.messages import ANSWERS, REQUESTS
from support.decoders import Decoder, decoders
from support.long_form import long_form
from support.mutations import bombs, mutated

_TRIES = long_form(short=200, long=20_000)
# A hundred times what the slowest takes, and a hundredth of what an endless loop would.
_MAX_SECONDS = 2.0
# A value that is empty in JSON costs thirty times its bytes; a small input has the fixed costs.
_MEMORY_FACTOR = 40
_TAGS = [message.__name__ for message in (*REQUESTS, *ANSWERS)]

_KEYS = st.sampled_from([*_TAGS, "entries", "path", "size", "hashes", "games", "id", "name", ""])
_NUMBERS = st.integers() | st.floats() | st.integers(-1, 2).map(lambda exponent: 2**63 + exponent)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text() | _KEYS,
    lambda values: st.lists(values, max_size=5) | st.dictionaries(_KEYS, values, max_size=5),
    max_leaves=15,
)


@pytest.fixture
def table(tmp_path: Path) -> dict[str, Decoder]:
    return {decoder.name: decoder for decoder in decoders(tmp_path)}


def _try(decoder: Decoder, data: bytes) -> bool:
    """Whether it was decoded; anything that is not promised fails the test and shows the input."""
    started = process_time()
    is_decoded = True
    try:
        decoder.decode(data)
    except decoder.allowed:
        is_decoded = False
    except Exception as error:
        raise AssertionError(f"{decoder.name} does not take {data[:300]!r}") from error
    assert process_time() - started < _MAX_SECONDS, f"{decoder.name} is slow on {data[:300]!r}"
    return is_decoded


def _share(decoder: Decoder, tries: int) -> int:
    return max(10, int(decoder.share * tries))


def test_each_seed_is_an_input_that_its_decoder_takes(table: dict[str, Decoder]) -> None:
    for decoder in table.values():
        assert any(_try(decoder, seed) for seed in decoder.seeds), decoder.name


@pytest.mark.scales
def test_damaged_inputs_raise_what_is_promised_and_nothing_else(table: dict[str, Decoder]) -> None:
    counts: dict[str, int] = {}
    for decoder in table.values():
        rng = Random(decoder.name)
        counts[decoder.name] = _share(decoder, _TRIES)
        decoded = sum(
            _try(decoder, mutated(rng, decoder.seeds)) for _ in range(counts[decoder.name])
        )
        print(f"{decoder.name}: {counts[decoder.name]} damaged inputs, {decoded} still decoded")
    print(f"{sum(counts.values())} damaged inputs, no crash")


@pytest.mark.scales
def test_any_json_and_any_bytes_raise_what_is_promised(table: dict[str, Decoder]) -> None:
    tried = 0

    @settings(max_examples=long_form(short=50, long=10_000))
    @given(st.binary(max_size=100) | _JSON.map(lambda value: json.dumps(value).encode()))
    def try_all(data: bytes) -> None:
        nonlocal tried
        for decoder in table.values():
            if decoder.share >= 0.1:
                tried += 1
                _try(decoder, data)

    try_all()
    print(f"{tried} random and JSON inputs, no crash")


def test_what_is_made_to_burst_a_reader_stays_within_bounds(table: dict[str, Decoder]) -> None:
    for decoder in table.values():
        for bomb in bombs(decoder.bomb_bytes):
            tracemalloc.start()
            try:
                _try(decoder, bomb)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            bound = MIB + _MEMORY_FACTOR * len(bomb)
            assert peak < bound, f"{decoder.name}: {peak} for {len(bomb)} bytes {bomb[:30]!r}"
