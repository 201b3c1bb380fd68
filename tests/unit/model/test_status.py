from dataclasses import FrozenInstanceError, astuple

import pytest

from lanspread_peer.model.status import Counters


def test_counters_are_values_that_begin_at_zero() -> None:
    counters = Counters()
    assert set(astuple(counters)) == {0}
    with pytest.raises(FrozenInstanceError):
        counters.events = 1  # type: ignore[misc]
