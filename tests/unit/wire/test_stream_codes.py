"""What an error means at one end of a stream, it means at the other."""

import pytest

from lanspread_peer.model import errors
from lanspread_peer.wire.stream_codes import BUSY_RETRY_MS, StreamCode, code_of, error_of


def test_the_codes_are_1_to_6() -> None:
    assert [code.value for code in StreamCode] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("code", StreamCode)
def test_every_code_comes_back_from_its_error(code: StreamCode) -> None:
    assert code_of(error_of(code)) is code
    assert type(error_of(int(code))) is type(error_of(code))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Busy(1), StreamCode.BUSY),
        (errors.Stale("x"), StreamCode.STALE),
        (errors.StorageError("x"), StreamCode.STALE),
        (errors.AccessDenied("x"), StreamCode.STALE),
        (errors.NotFoundByPeer("x"), StreamCode.NOT_FOUND),
        (errors.NotIndexed(5), StreamCode.NOT_INDEXED),
        (errors.Unsupported("x"), StreamCode.UNSUPPORTED),
        (errors.UnknownMessage("x"), StreamCode.UNSUPPORTED),
        (errors.MalformedMessage("x"), StreamCode.REFUSED),
        (errors.UnsafePath("x"), StreamCode.REFUSED),
        (errors.LanspreadError("x"), StreamCode.REFUSED),
    ],
)
def test_every_error_has_a_code(error: errors.LanspreadError, code: StreamCode) -> None:
    assert code_of(error) is code


@pytest.mark.parametrize("code", [-1, 0, 7, 2**62])
def test_an_unknown_code_is_kept_as_it_came(code: int) -> None:
    error = error_of(code)
    assert isinstance(error, errors.StreamReset)
    assert error.code == code


def test_a_busy_reset_brings_a_time_to_wait() -> None:
    error = error_of(StreamCode.BUSY)
    assert isinstance(error, errors.Busy)
    assert error.retry_ms == BUSY_RETRY_MS > 0
