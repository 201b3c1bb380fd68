"""What a node shows and whom it lets in, in both modes, and what it remembers of that."""

import ssl

import pytest

from lanspread_peer.model import limits
from lanspread_peer.model.errors import CertificateExpired, InvalidCertificate, NotAMember
from lanspread_peer.model.limits import MAX_PARTY_AUTHORITIES, MAX_PARTY_FILE_BYTES
from lanspread_peer.transport import credentials as module
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from lanspread_peer.transport.credentials import Credentials, read_party
from lanspread_peer.transport.party_certificates import in_pem
from lanspread_peer.transport.tls_context import client_context
from support.papers import DAY, SKEW, Authority, party_of, utc_now
from support.quic_pair import make_key
from support.tls_ends import shaken

AUTHORITY = Authority.make()
KEY = make_key()
BUNDLE = in_pem([AUTHORITY.certificate])
MEMBER = in_pem([AUTHORITY.member(KEY)])


def test_an_open_node_lets_in_everybody() -> None:
    credentials = Credentials(KEY)
    credentials.admit(make_certificate(make_key()))
    assert not credentials.is_members_only
    assert credentials.why_not(credentials.peer_id) is None


def test_a_member_shows_its_certificate_on_each_way() -> None:
    credentials = AUTHORITY.credentials(KEY)
    client, _ = shaken(credentials.server_context(), client_context())
    assert client.certificate() == credentials.certificate == credentials.member


def test_new_papers_are_shown_to_those_who_come_then() -> None:
    credentials = AUTHORITY.credentials(KEY)
    before = credentials.server_context()
    new = AUTHORITY.member(KEY)
    credentials.adopt(party_of([AUTHORITY], KEY, new))
    assert isinstance(before, ssl.SSLContext)
    client, _ = shaken(credentials.server_context(), client_context())
    assert client.certificate() == credentials.certificate == new


def test_who_was_let_in_stays_until_the_end_of_the_best_certificate_it_showed() -> None:
    credentials = AUTHORITY.credentials(KEY)
    guest_key = make_key()
    short, long = (AUTHORITY.member(guest_key, end=days * DAY) for days in (2, 9))
    guest = peer_id_of_certificate(short)
    for certificate in (short, long, short):
        credentials.admit(certificate)
    start = utc_now()
    credentials.now = lambda: start + 3 * DAY
    assert credentials.why_not(guest) is None
    credentials.now = lambda: start + 10 * DAY
    for _ in range(2):
        assert isinstance(credentials.why_not(guest), CertificateExpired)


def test_a_shorter_certificate_of_the_new_authority_counts_when_the_old_one_does_not() -> None:
    new = Authority.make()
    credentials = AUTHORITY.credentials(KEY)
    guest_key = make_key()
    old = AUTHORITY.member(guest_key, end=90 * DAY)
    credentials.admit(old)
    credentials.adopt(party_of([new], KEY, new.member(KEY)))
    credentials.admit(new.member(guest_key, end=DAY))
    assert credentials.why_not(peer_id_of_certificate(old)) is None


def test_a_shorter_certificate_is_kept_for_when_that_of_the_other_authority_does_not() -> None:
    new = Authority.make()
    credentials = AUTHORITY.credentials(KEY)
    guest_key = make_key()
    old, short = AUTHORITY.member(guest_key, end=90 * DAY), new.member(guest_key, end=9 * DAY)
    guest = peer_id_of_certificate(old)
    credentials.admit(old)
    credentials.adopt(party_of([new, AUTHORITY], KEY, new.member(KEY)))
    for certificate in (short, old):
        credentials.admit(certificate)
    ends = [certificate.not_valid_after_utc + SKEW for certificate in (short, old)]
    assert credentials.next_end() == ends[0]
    credentials.adopt(party_of([new], KEY, new.member(KEY)))
    assert credentials.why_not(guest) is None
    start = utc_now()
    credentials.now = lambda: start + 10 * DAY
    fault = credentials.why_not(guest)
    assert isinstance(fault, CertificateExpired)


def test_the_best_of_each_trusted_authority_is_remembered_and_no_more() -> None:
    credentials = AUTHORITY.credentials(KEY)
    guest_key = make_key()
    guest = peer_id_of_certificate(AUTHORITY.member(guest_key))
    authorities = [Authority.make() for _ in range(MAX_PARTY_AUTHORITIES + 3)]
    for count in range(1, len(authorities) + 1):
        trusted = authorities[:count][-MAX_PARTY_AUTHORITIES:]
        credentials.adopt(party_of(trusted, KEY, trusted[-1].member(KEY)))
        for days in (3, 5, 4):
            credentials.admit(trusted[-1].member(guest_key, end=days * DAY))
    remembered = credentials._admitted[guest]
    assert len(remembered) == MAX_PARTY_AUTHORITIES
    assert min(one.end for one in remembered) > utc_now() + 4 * DAY + SKEW


def test_an_authority_that_is_dropped_takes_its_members_along() -> None:
    new = Authority.make()
    credentials = AUTHORITY.credentials(KEY)
    guest = AUTHORITY.member(make_key())
    credentials.admit(guest)
    credentials.adopt(party_of([new], KEY, new.member(KEY)))
    assert type(credentials.why_not(peer_id_of_certificate(guest))) is NotAMember


def test_so_many_are_remembered_and_those_that_are_asked_for_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN_PEERS", 3)
    assert limits.MAX_KNOWN_PEERS > 3
    credentials = AUTHORITY.credentials(KEY)
    guests = [AUTHORITY.member(make_key()) for _ in range(4)]
    ids = [peer_id_of_certificate(guest) for guest in guests]
    for guest in guests[:3]:
        credentials.admit(guest)
    assert credentials.why_not(ids[0]) is None
    credentials.admit(guests[3])
    assert [credentials.why_not(one) is None for one in ids] == [True, False, True, True]


def test_a_bundle_has_four_authorities_and_not_one_more() -> None:
    most = [Authority.make() for _ in range(MAX_PARTY_AUTHORITIES)]
    party_of(most, KEY, most[-1].member(KEY))
    with pytest.raises(InvalidCertificate, match="at most 4"):
        party_of([*most, AUTHORITY], KEY, None)


def test_a_file_has_64_kib_and_not_a_byte_more() -> None:
    note = b"#" * (MAX_PARTY_FILE_BYTES - len(BUNDLE) - 1) + b"\n"
    read_party(note + BUNDLE, MEMBER, KEY)
    with pytest.raises(InvalidCertificate, match="at most"):
        read_party(b"#" + note + BUNDLE, MEMBER, KEY)


@pytest.mark.parametrize(
    ("bundle", "member", "said"),
    [
        (b"", None, "authorities"),
        (b"\xff" * 100, None, "authorities"),
        (MEMBER, None, "one of them is none"),
        (BUNDLE + MEMBER, None, "one of them is none"),
        (BUNDLE, b"", "certificate in PEM"),
        (BUNDLE, BUNDLE, "another PC's"),
        (BUNDLE, MEMBER + MEMBER, "at most 1"),
        (BUNDLE, in_pem([AUTHORITY.member(make_key())]), "another PC's"),
        (BUNDLE, in_pem([Authority.make().member(KEY)]), "no certificate of this party"),
        (BUNDLE, in_pem([make_certificate(KEY)]), "no certificate of this party"),
    ],
)
def test_files_that_are_of_no_use_say_why(bundle: bytes, member: bytes | None, said: str) -> None:
    with pytest.raises(InvalidCertificate, match=said):
        read_party(bundle, member, KEY)


def test_a_certificate_that_is_over_or_to_come_can_be_installed() -> None:
    for begin, end in ((-9 * DAY, -2 * DAY), (2 * DAY, 9 * DAY)):
        party_of([AUTHORITY], KEY, AUTHORITY.member(KEY, begin=begin, end=end))
