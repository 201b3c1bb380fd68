from aioquic._buffer import Buffer
from aioquic.quic.packet import QuicPacketType, encode_quic_version_negotiation, pull_quic_header
from aioquic.quic.retry import TOKEN_LIFETIME

from lanspread_peer.core.offences import Offences
from lanspread_peer.model.limits import (
    CONNECTIONS_KEPT_FOR_DIALS,
    HANDSHAKE_BURST,
    HANDSHAKES_PER_SECOND,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    MAX_UNAUTHENTICATED_PER_ADDRESS,
    MAX_UNPROVEN_HANDSHAKES,
    MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS,
)
from lanspread_peer.transport.quic_admission import (
    SUPPORTED_VERSIONS,
    Admission,
    Admit,
    Answer,
    Standing,
    destination_of,
)
from lanspread_peer.transport.quic_internals import CreditedConnection
from support.quic_pair import SERVER_ADDRESS, configuration

HERE = ("192.0.2.7", 5000)


def new_client() -> CreditedConnection:
    client = CreditedConnection(configuration=configuration(is_client=True))
    client.connect(SERVER_ADDRESS, now=0.0)
    return client


def initial() -> bytes:
    return next(datagram for datagram, _ in new_client().datagrams_to_send(now=0.0))


def crowded(handshakes: int) -> Admission:
    admission = Admission(Offences())
    for index in range(handshakes):
        admission.accepted(index, f"198.51.100.{index}", is_address_proved=False)
    return admission


def test_a_first_datagram_is_admitted_under_the_id_its_sender_chose() -> None:
    datagram = initial()
    assert Admission(Offences()).judge(datagram, HERE, now=0.0) == Admit(datagram[6:14], None)
    assert destination_of(datagram) == datagram[6:14]


def test_a_datagram_for_a_connection_that_is_gone_is_ignored() -> None:
    short_header = b"\x40" + bytes(1300)
    assert Admission(Offences()).judge(short_header, HERE, now=0.0) is None
    assert destination_of(short_header) == bytes(8)


def test_what_is_not_quic_is_ignored() -> None:
    for junk in (b"", b"\x80", b"\xc0\x00\x00\x00\x01", bytes(1300), b"\xff" * 1300):
        assert Admission(Offences()).judge(junk, HERE, now=0.0) is None


def test_a_datagram_too_short_to_begin_with_is_ignored() -> None:
    datagram = initial()
    assert len(datagram) == 1200
    assert Admission(Offences()).judge(datagram[:1199], HERE, now=0.0) is None


def test_an_unknown_version_is_told_the_known_ones() -> None:
    datagram = initial()
    strange = datagram[:1] + b"\x1a\x2a\x3a\x4a" + datagram[5:]
    answer = Admission(Offences()).judge(strange, HERE, now=0.0)
    assert isinstance(answer, Answer)
    header = pull_quic_header(Buffer(data=answer.datagram))
    assert header.packet_type is QuicPacketType.VERSION_NEGOTIATION
    assert header.supported_versions == list(SUPPORTED_VERSIONS)
    assert len(answer.datagram) < len(strange)


def test_version_negotiation_is_never_answered() -> None:
    datagram = encode_quic_version_negotiation(
        source_cid=bytes(8), destination_cid=bytes(8), supported_versions=[0x1A2A3A4A] * 400
    )
    assert len(datagram) > 1200
    assert Admission(Offences()).judge(datagram, HERE, now=0.0) is None


def test_an_unknown_version_in_a_short_datagram_is_not_answered() -> None:
    datagram = initial()
    strange = (datagram[:1] + b"\x1a\x2a\x3a\x4a" + datagram[5:])[:1199]
    assert Admission(Offences()).judge(strange, HERE, now=0.0) is None


ACCEPTABLE = MAX_CONNECTIONS - CONNECTIONS_KEPT_FOR_DIALS


def admits(admission: Admission, host: str = HERE[0]) -> bool:
    return isinstance(admission.judge(initial(), (host, 5000), now=0.0), Admit)


def proven(admission: Admission, connection: object, host: str) -> None:
    admission.accepted(connection, host, is_address_proved=True)
    admission.advanced(connection, Standing.PROVEN)


def test_strangers_never_take_the_connections_that_are_kept_for_dials() -> None:
    admission = Admission(Offences())
    for number in range(ACCEPTABLE):
        assert admits(admission, f"198.51.100.{number}")
        proven(admission, number, f"198.51.100.{number}")
    assert not admits(admission)
    for number in range(CONNECTIONS_KEPT_FOR_DIALS):
        assert admission.may_dial(HERE[0])
        admission.dialled(f"dialled {number}", f"203.0.113.{number}")
    assert not admission.may_dial(HERE[0])
    admission.ended("dialled 0")
    assert admission.may_dial(HERE[0])
    assert not admits(admission)
    admission.ended(7)
    assert admits(admission)


def test_connections_beyond_the_limit_are_ignored_until_one_ends() -> None:
    admission = Admission(Offences())
    for number in range(MAX_CONNECTIONS):
        assert admits(admission, f"198.51.100.{number}")
        admission.dialled(number, f"198.51.100.{number}")
    assert not admits(admission)
    admission.ended(0)
    assert admits(admission)


def test_one_address_may_not_hold_many_unproven_connections_and_others_still_may() -> None:
    admission = Admission(Offences())
    for number in range(MAX_UNAUTHENTICATED_PER_ADDRESS):
        assert admits(admission)
        admission.accepted(number, HERE[0], is_address_proved=True)
    assert not admits(admission)
    assert admits(admission, "192.0.2.8")
    admission.advanced(0, Standing.UNPROVEN)
    assert not admits(admission), "the end of the handshake proves nothing"
    admission.advanced(0, Standing.PROVEN)
    assert admits(admission)


def test_one_address_may_not_hold_more_than_its_share_and_others_still_may() -> None:
    admission = Admission(Offences())
    for number in range(MAX_CONNECTIONS_PER_ADDRESS):
        assert admits(admission)
        proven(admission, number, HERE[0])
    assert not admits(admission)
    assert not admission.may_dial(HERE[0])
    assert admits(admission, "192.0.2.8")
    assert admission.may_dial("192.0.2.8")
    admission.ended(0)
    assert admits(admission)


def test_under_many_handshakes_a_caller_must_prove_its_address_first() -> None:
    assert isinstance(crowded(MAX_UNPROVEN_HANDSHAKES - 1).judge(initial(), HERE, now=0.0), Admit)
    admission = crowded(MAX_UNPROVEN_HANDSHAKES)
    client = new_client()
    (first, _), *_ = client.datagrams_to_send(now=0.0)
    retry = admission.judge(first, HERE, now=0.0)
    assert isinstance(retry, Answer)
    assert len(retry.datagram) < len(first)

    client.receive_datagram(retry.datagram, SERVER_ADDRESS, now=0.0)
    (second, _), *_ = client.datagrams_to_send(now=0.0)
    admitted = admission.judge(second, HERE, now=1.0)
    assert admitted == Admit(first[6:14], destination_of(second))

    assert admission.judge(second, ("192.0.2.8", 5000), now=1.0) is None
    assert admission.judge(second, HERE, now=TOKEN_LIFETIME + 1) is None
    assert Admission(Offences()).judge(second, HERE, now=1.0) is None


def proves(admission: Admission, *, now: float = 0.0) -> bool:
    """Whether a caller that proves its address is admitted."""
    client = new_client()
    (first, _), *_ = client.datagrams_to_send(now=0.0)
    retry = admission.judge(first, HERE, now=now)
    assert isinstance(retry, Answer)
    client.receive_datagram(retry.datagram, SERVER_ADDRESS, now=0.0)
    (second, _), *_ = client.datagrams_to_send(now=0.0)
    admitted = admission.judge(second, HERE, now=now)
    return isinstance(admitted, Admit) and admitted.is_address_proved


def test_whoever_forges_an_address_does_not_keep_its_owner_out() -> None:
    admission = Admission(Offences())
    for number in range(MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS):
        assert admits(admission)
        admission.accepted(number, HERE[0], is_address_proved=False)
    for _ in range(2 * MAX_UNAUTHENTICATED_PER_ADDRESS):
        assert isinstance(admission.judge(initial(), HERE, now=0.0), Answer)
    for number in range(MAX_UNAUTHENTICATED_PER_ADDRESS):
        assert proves(admission)
        admission.accepted(f"owner {number}", HERE[0], is_address_proved=True)
    assert admission.judge(initial(), HERE, now=0.0) is None


def test_one_address_begins_no_more_handshakes_than_its_rate() -> None:
    admission = Admission(Offences())
    free = sum(admits(admission) for _ in range(2 * HANDSHAKE_BURST))
    assert free == HANDSHAKE_BURST, "each ended before the next began"
    assert admits(admission, "192.0.2.8")
    assert [proves(admission) for _ in range(HANDSHAKE_BURST + 1)].count(True) == HANDSHAKE_BURST
    assert not proves(admission)
    assert admits(admission, HERE[0]) is False
    later = 1.0 / HANDSHAKES_PER_SECOND
    assert isinstance(admission.judge(initial(), HERE, now=later), Admit)


def test_nobody_is_let_in_from_where_too_much_nonsense_came() -> None:
    offences = Offences()
    admission = Admission(offences)
    while not offences.note(HERE[0], now=0.0):
        pass
    assert admission.judge(initial(), HERE, now=0.0) is None
    assert isinstance(admission.judge(initial(), ("192.0.2.8", 5000), now=0.0), Admit)
    assert isinstance(admission.judge(initial(), HERE, now=10.0), Admit)
