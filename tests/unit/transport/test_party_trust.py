"""Who is a member: one certificate, of a trusted authority, for its own key, in its time."""

from datetime import UTC, datetime
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    NotAMember,
)
from lanspread_peer.model.limits import MAX_CERTIFICATE_BYTES
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.party_certificates import make_authority, make_member
from lanspread_peer.transport.party_trust import PartyTrust, ends_at
from support.mutations import mutated
from support.papers import (
    DAY,
    SKEW,
    Authority,
    der_of,
    handmade,
    self_signed_authority,
    utc_now,
)
from support.quic_pair import make_key

AUTHORITY = Authority.make()
OTHER = Authority.make()
TRUST = PartyTrust([AUTHORITY.certificate])
KEY = make_key()
GOOD = AUTHORITY.member(KEY)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")


def test_a_member_is_let_in() -> None:
    TRUST.check(GOOD, utc_now())
    TRUST.check(handmade(AUTHORITY, KEY), utc_now())


def test_each_of_several_authorities_counts() -> None:
    both = PartyTrust([OTHER.certificate, AUTHORITY.certificate])
    both.check(GOOD, utc_now())
    both.check(OTHER.member(KEY), utc_now())


SIGNS_BOTH = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
SAN = x509.SubjectAlternativeName
STRANGERS = {
    "of nobody": make_certificate(KEY),
    "of another party": OTHER.member(KEY),
    "of another party, in this one's name": handmade(AUTHORITY, KEY, signed_by=OTHER.key),
    "the authority itself": AUTHORITY.certificate,
    "an authority in between": handmade(AUTHORITY, KEY, is_authority=True),
    "with the constraints of an authority": handmade(
        AUTHORITY,
        KEY,
        without=(x509.BasicConstraints,),
        extra=((x509.BasicConstraints(ca=True, path_length=0), True),),
    ),
    "with the uses of an authority": handmade(
        AUTHORITY, KEY, without=(x509.KeyUsage,), extra=((SIGNS_BOTH, True),)
    ),
    "made by a member": handmade(Authority(KEY, GOOD), make_key()),
    "without purposes": handmade(AUTHORITY, KEY, without=(x509.ExtendedKeyUsage,)),
    "for one end only": handmade(AUTHORITY, KEY, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)),
    "for mail": handmade(AUTHORITY, KEY, purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
    "without uses": handmade(AUTHORITY, KEY, without=(x509.KeyUsage,)),
    "with a key that signs nothing": handmade(AUTHORITY, KEY, signs=False),
    "without constraints": handmade(AUTHORITY, KEY, without=(x509.BasicConstraints,)),
    "without a peer": handmade(AUTHORITY, KEY, without=(SAN,)),
    "for another peer": handmade(AUTHORITY, KEY, name="urn:lanspread:peer:" + "a" * 52),
    "with an unknown critical extension": handmade(AUTHORITY, KEY, extra=((UNKNOWN, True),)),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_nobody_else_is_let_in(kind: str) -> None:
    with pytest.raises(NotAMember) as caught:
        TRUST.check(STRANGERS[kind], utc_now())
    assert type(caught.value) is NotAMember


def test_an_extension_that_matters_to_nobody_is_passed_over() -> None:
    TRUST.check(handmade(AUTHORITY, KEY, extra=((UNKNOWN, False),)), utc_now())


def test_keys_are_on_p256() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(NotAMember):
        TRUST.check(handmade(AUTHORITY, key, name="urn:x"), utc_now())  # type: ignore[arg-type]


@pytest.mark.parametrize("path_length", [None, 1])
def test_an_authority_that_may_make_others_is_none(path_length: int | None) -> None:
    key = make_key()
    authority = Authority(key, self_signed_authority(key, path_length=path_length))
    with pytest.raises(NotAMember):
        PartyTrust([authority.certificate]).check(handmade(authority, KEY), utc_now())


def padded(size: int) -> x509.Certificate:
    """A good one, of exactly so many bytes in DER."""
    fill = size
    while True:
        padding = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), bytes(fill))
        made = handmade(AUTHORITY, KEY, extra=((padding, False),))
        # A signature has two or three bytes more or less.
        if len(der_of(made)) == size:
            return made
        fill -= max(1, len(der_of(made)) - size) if len(der_of(made)) > size else -1


def test_a_certificate_has_4_kib_and_not_a_byte_more() -> None:
    TRUST.check(padded(MAX_CERTIFICATE_BYTES), utc_now())
    with pytest.raises(NotAMember):
        TRUST.check(padded(MAX_CERTIFICATE_BYTES + 1), utc_now())


def test_dates_count_to_the_second_with_an_allowance_for_clocks() -> None:
    begin, end = GOOD.not_valid_before_utc, GOOD.not_valid_after_utc
    second = DAY / 86400
    assert ends_at(GOOD) == end + SKEW
    TRUST.check(GOOD, begin - SKEW)
    TRUST.check(GOOD, end + SKEW)
    with pytest.raises(CertificateNotYetValid):
        TRUST.check(GOOD, begin - SKEW - second)
    with pytest.raises(CertificateExpired, match=f"until {end:%Y-%m-%d}"):
        TRUST.check(GOOD, end + SKEW + second)


def test_a_certificate_without_an_end_never_expires() -> None:
    # RFC 5280, 4.1.2.5.
    never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    founder = Authority(KEY, make_authority(KEY, "p", utc_now() - DAY, never))
    member = make_member(KEY, founder.certificate, make_key().public_key(), utc_now(), never)
    assert member.not_valid_after_utc == never
    trust = PartyTrust([founder.certificate])
    for now in (utc_now(), never):
        trust.check(member, now)
    assert never <= ends_at(member)


def test_only_a_member_is_told_that_it_has_expired() -> None:
    later = utc_now() + 300 * DAY
    with pytest.raises(NotAMember) as caught:
        TRUST.check(OTHER.member(KEY), later)
    assert type(caught.value) is NotAMember


def test_nobody_outlasts_the_authority() -> None:
    long_ago = AUTHORITY.member(KEY, begin=-100 * DAY, end=4000 * DAY)
    assert long_ago.not_valid_after_utc == AUTHORITY.certificate.not_valid_after_utc
    assert long_ago.not_valid_before_utc == AUTHORITY.certificate.not_valid_before_utc


@given(st.randoms(use_true_random=False))
def test_a_damaged_certificate_is_no_members(rng: Random) -> None:
    data = mutated(rng, [der_of(GOOD), der_of(AUTHORITY.certificate)])
    try:
        damaged = x509.load_der_x509_certificate(data)
    except ValueError:
        return
    if damaged != GOOD:
        with pytest.raises(NotAMember):
            TRUST.check(damaged, utc_now())
