"""The exception tree: stable reasons, and metadata that repeats what the sentence says."""

import re
from collections.abc import Iterator

from lanspread_peer.model import errors


def _tree(root: type[errors.LanspreadError]) -> Iterator[type[errors.LanspreadError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def test_every_error_has_a_reason_of_its_own() -> None:
    classes = [cls for cls in _tree(errors.LanspreadError) if cls.__module__ == errors.__name__]
    reasons = [cls.reason for cls in classes]
    assert len(set(reasons)) == len(classes)
    assert all(re.fullmatch(r"[A-Z]+(_[A-Z]+)*", reason) for reason in reasons)


def test_an_invalid_field_says_what_was_expected_and_what_came() -> None:
    error = errors.InvalidField("port", "a number", "x\n")
    assert str(error) == "port: expected a number, got 'x\\n'"
    assert error.metadata == {"field": "port", "expected": "a number"}
    assert str(errors.InvalidField("port", "a number")) == "port: expected a number"


def test_metadata_repeats_the_values_of_the_sentence() -> None:
    busy, indexed, reset = errors.Busy(300), errors.NotIndexed(425), errors.StreamReset(77)
    assert (busy.retry_ms, busy.metadata, str(busy)) == (
        300,
        {"retry_ms": "300"},
        "the peer is busy, retry in 300 ms",
    )
    assert (indexed.progress, indexed.metadata) == (425, {"progress": "425"})
    assert "42.5 %" in str(indexed)
    assert (reset.code, reset.metadata) == (77, {"code": "77"})


def test_a_failed_download_carries_a_code_for_programs() -> None:
    error = errors.DownloadFailed("NO_SOURCES", "no source is left", game_id="aoe2")
    assert (error.code, error.message) == ("NO_SOURCES", "no source is left")
    assert error.metadata == {"game_id": "aoe2"}
