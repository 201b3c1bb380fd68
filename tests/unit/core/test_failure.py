"""Failures: what the planner makes of each error of a request."""

import pytest

from lanspread_peer.core.failure import Failure, failure_of
from lanspread_peer.model import errors


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (errors.IntegrityError("wrong"), Failure.WRONG_BYTES),
        (errors.Stalled("silent"), Failure.STALLED),
        (errors.Busy(300), Failure.BUSY),
        (errors.ConnectionLost("gone"), Failure.LOST),
        (errors.Refused("no"), Failure.REFUSED),
        (errors.NotFoundByPeer("no"), Failure.REFUSED),
        (errors.Stale("changed"), Failure.REFUSED),
        (errors.NotIndexed(10), Failure.REFUSED),
        (errors.Unsupported("what"), Failure.REFUSED),
        (errors.StreamReset(99), Failure.REFUSED),
        (errors.MalformedMessage("not JSON"), Failure.REFUSED),
    ],
)
def test_every_error_of_a_request_is_a_failure(
    error: errors.LanspreadError, failure: Failure
) -> None:
    assert failure_of(error) is failure
