"""Each cap of the TLS transport holds at the limit and refuses one more."""

from collections.abc import Callable

from lanspread_peer.core.offences import Offences
from lanspread_peer.model.limits import (
    HANDSHAKE_BURST,
    MAX_BULK_CONNECTIONS,
    MAX_BULK_CONNECTIONS_PER_ADDRESS,
    MAX_BULK_CONNECTIONS_PER_PEER,
    MAX_UNAUTHENTICATED_BULK_CONNECTIONS,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
    OFFENCE_BURST,
)
from lanspread_peer.transport.tls_admission import Place, TlsAdmission
from support.values import peer_id


def admitted(admission: TlsAdmission, host_of: Callable[[int], str], *, prove: bool) -> list[Place]:
    """As many as are let in, one a second."""
    places: list[Place] = []
    while (place := admission.admit(host_of(len(places)), now=float(len(places)))) is not None:
        places.append(place)
        if prove:
            assert admission.prove(place, peer_id(len(places)))
    return places


def test_connections_in_all() -> None:
    admission = TlsAdmission(Offences())
    places = admitted(admission, str, prove=True)
    assert len(places) == admission.count == MAX_BULK_CONNECTIONS
    admission.free(places[0])
    assert admission.admit("new", now=1000.0) is not None


def test_connections_of_one_address() -> None:
    admission = TlsAdmission(Offences())
    assert len(admitted(admission, lambda _: "a", prove=True)) == MAX_BULK_CONNECTIONS_PER_ADDRESS
    assert admission.admit("b", now=1000.0) is not None


def test_callers_without_a_proof_in_all() -> None:
    admission = TlsAdmission(Offences())
    places = admitted(admission, str, prove=False)
    assert len(places) == MAX_UNAUTHENTICATED_BULK_CONNECTIONS
    assert admission.prove(places[0], peer_id(1))
    assert admission.admit("new", now=1000.0) is not None


def test_callers_without_a_proof_at_one_address() -> None:
    admission = TlsAdmission(Offences())
    assert len(admitted(admission, lambda _: "a", prove=False)) == MAX_UNAUTHENTICATED_PER_ADDRESS
    assert admission.admit("b", now=1000.0) is not None


def test_connections_of_one_peer() -> None:
    admission = TlsAdmission(Offences())
    places = [admission.admit(str(number), now=0.0) for number in range(6)]
    proved = [admission.prove(place, peer_id(1)) for place in places if place is not None]
    assert sum(proved) == MAX_BULK_CONNECTIONS_PER_PEER
    assert proved[:MAX_BULK_CONNECTIONS_PER_PEER] == [True] * MAX_BULK_CONNECTIONS_PER_PEER


def test_connections_to_serve_one_peer_on_are_among_its_own() -> None:
    admission = TlsAdmission(Offences())
    accepted = admission.admit("a", now=0.0)
    assert accepted is not None
    assert admission.prove(accepted, peer_id(1))
    dialled = [admission.admit_dialled("a", peer_id(1)) for _ in range(4)]
    assert [place is not None for place in dialled] == [True, True, True, False]
    assert admission.count == MAX_BULK_CONNECTIONS_PER_PEER
    assert admission.admit_dialled("a", peer_id(2)) is not None


def test_there_is_no_room_to_serve_on_beyond_all_connections() -> None:
    admission = TlsAdmission(Offences())
    places = admitted(admission, str, prove=True)
    assert len(places) == MAX_BULK_CONNECTIONS
    assert admission.admit_dialled("new", peer_id(1000)) is None
    admission.free(places[0])
    assert admission.admit_dialled("new", peer_id(1000)) is not None


def test_a_connection_that_was_asked_for_takes_none_of_its_peers_places() -> None:
    admission = TlsAdmission(Offences())
    places = [admission.admit(str(number), now=0.0) for number in range(6)]
    assert places[0] is not None
    places[0].is_asked_for = True
    proved = [admission.prove(place, peer_id(1)) for place in places if place is not None]
    assert proved == [True] * (1 + MAX_BULK_CONNECTIONS_PER_PEER) + [False]
    assert places[5] is not None
    places[5].is_asked_for = True
    assert admission.prove(places[5], peer_id(1))


def test_one_address_connects_only_so_often() -> None:
    admission = TlsAdmission(Offences())
    count = 0
    while (place := admission.admit("a", now=0.0)) is not None:
        admission.free(place)
        count += 1
    assert count == HANDSHAKE_BURST
    assert admission.admit("a", now=10.0) is not None


def test_an_address_that_sent_nonsense_waits() -> None:
    offences = Offences()
    admission = TlsAdmission(offences)
    for _ in range(OFFENCE_BURST):
        offences.note("a", now=0.0)
    assert admission.admit("a", now=0.0) is None
    assert admission.admit("b", now=0.0) is not None
    assert admission.admit("a", now=10.0) is not None
