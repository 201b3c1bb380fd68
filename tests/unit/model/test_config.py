"""Settings out of range never come to be."""

import pytest

from lanspread_peer.model.config import Settings
from lanspread_peer.model.errors import InvalidField


@pytest.mark.parametrize("port", [None, 0, 1, 26789, 65535])
def test_a_port_within_the_limits_is_taken(port: int | None) -> None:
    assert Settings("/games", "/state", port=port).port == port


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_outside_the_limits_is_refused(port: int) -> None:
    with pytest.raises(InvalidField, match="port"):
        Settings("/games", "/state", port=port)
