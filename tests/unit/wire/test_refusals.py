"""What one sidecar refuses with is what the other one raises."""

import pytest

from lanspread_peer.model import errors
from lanspread_peer.wire import messages
from lanspread_peer.wire.codec import decode_answer, encode
from lanspread_peer.wire.refusals import error_in, refusal_of

KEPT: list[errors.SourceUnavailable] = [
    errors.Busy(70),
    errors.Stale("changed"),
    errors.NotFoundByPeer("no"),
    errors.NotIndexed(500),
    errors.Unsupported("what"),
    errors.Refused("no"),
    errors.NotAMember("no"),
    errors.CertificateExpired("yesterday"),
    errors.CertificateNotYetValid("tomorrow"),
]
BECOME: list[tuple[errors.LanspreadError, type[errors.LanspreadError]]] = [
    (errors.UnknownMessage("Reboot"), errors.Unsupported),
    (errors.DiskFailure("broken"), errors.Stale),
    (errors.MalformedMessage("{"), errors.Refused),
    (errors.Refused("x" * 100_000), errors.Refused),
]


@pytest.mark.parametrize("error", KEPT, ids=lambda error: error.reason)
def test_a_refusal_arrives_as_the_same_error(error: errors.SourceUnavailable) -> None:
    arrived = error_in(decode_answer(encode(refusal_of(error))))
    assert type(arrived) is type(error)
    assert arrived.metadata.keys() == error.metadata.keys()


@pytest.mark.parametrize(("error", "becomes"), BECOME)
def test_what_is_ours_alone_arrives_as_something_a_peer_may_know(
    error: errors.LanspreadError, becomes: type[errors.LanspreadError]
) -> None:
    assert type(error_in(decode_answer(encode(refusal_of(error))))) is becomes


def test_an_answer_that_is_no_refusal_is_malformed() -> None:
    assert type(error_in(messages.Bye())) is errors.MalformedMessage


def test_a_stranger_learns_nothing_but_that_it_is_one() -> None:
    refusal = encode(refusal_of(errors.NotAMember("no certificate of the Summer LAN")))
    assert refusal == b'{"Refused":{"reason":"NOT_A_MEMBER"}}'
    later = encode(refusal_of(errors.CertificateExpired("it was valid until noon")))
    assert b"until noon" in later
