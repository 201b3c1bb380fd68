"""The proof in a Hello: only the key's owner can make one, and only for what was asked."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from lanspread_peer.model.errors import IdentityMismatch
from lanspread_peer.model.ids import PeerId, peer_id_of_key
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from lanspread_peer.transport.hello_proof import check_proof, hello_chain, sign
from support.quic_pair import make_key

STATEMENT = b"what is to be proved"
KEY = make_key()
PEER = peer_id_of_certificate(make_certificate(KEY))


def peer_id_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> PeerId:
    return peer_id_of_key(
        key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def chain_of(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    signed_by: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    until: datetime = datetime(2001, 1, 1, tzinfo=UTC),
) -> list[str]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "any")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(until)
        .sign(signed_by, hashes.SHA256())
    )
    return [b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()]


def test_the_owner_of_the_key_proves_its_id() -> None:
    check_proof(PEER, hello_chain(make_certificate(KEY)), sign(KEY, STATEMENT), STATEMENT)


def test_a_signature_of_anything_else_proves_nothing() -> None:
    with pytest.raises(IdentityMismatch, match="signature is wrong"):
        check_proof(
            PEER, hello_chain(make_certificate(KEY)), sign(KEY, STATEMENT + b"."), STATEMENT
        )


def test_a_signature_by_another_key_proves_nothing() -> None:
    with pytest.raises(IdentityMismatch, match="signature is wrong"):
        check_proof(
            PEER, hello_chain(make_certificate(KEY)), sign(make_key(), STATEMENT), STATEMENT
        )


def test_a_good_proof_of_one_peer_is_not_taken_for_another() -> None:
    other = make_key()
    with pytest.raises(IdentityMismatch, match="another peer's"):
        check_proof(PEER, hello_chain(make_certificate(other)), sign(other, STATEMENT), STATEMENT)


def test_a_certificate_that_another_key_signed_is_refused() -> None:
    chain = chain_of(KEY, signed_by=make_key())
    with pytest.raises(IdentityMismatch, match="signature is wrong"):
        check_proof(PEER, chain, sign(KEY, STATEMENT), STATEMENT)


def test_dates_are_ignored() -> None:
    check_proof(PEER, chain_of(KEY, signed_by=KEY), sign(KEY, STATEMENT), STATEMENT)


def test_only_keys_on_p256_are_used() -> None:
    for key in (
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        ec.generate_private_key(ec.SECP384R1()),
    ):
        with pytest.raises(IdentityMismatch, match="P-256"):
            check_proof(peer_id_of(key), chain_of(key, key), sign(KEY, STATEMENT), STATEMENT)


def test_only_the_first_certificate_is_the_callers() -> None:
    chain = [*hello_chain(make_certificate(make_key())), *hello_chain(make_certificate(KEY))]
    with pytest.raises(IdentityMismatch):
        check_proof(PEER, chain, sign(KEY, STATEMENT), STATEMENT)


@pytest.mark.parametrize("nonsense", ["", "!", "AAA", "AAAA", "MIIB", "\u00e9"])
def test_what_is_no_certificate_or_signature_is_a_mismatch(nonsense: str) -> None:
    with pytest.raises(IdentityMismatch):
        check_proof(PEER, [nonsense], sign(KEY, STATEMENT), STATEMENT)
    with pytest.raises(IdentityMismatch):
        check_proof(PEER, hello_chain(make_certificate(KEY)), nonsense, STATEMENT)


@given(st.binary(max_size=80))
def test_no_bytes_pass_for_a_signature(data: bytes) -> None:
    with pytest.raises(IdentityMismatch):
        check_proof(PEER, hello_chain(make_certificate(KEY)), b64encode(data).decode(), STATEMENT)
