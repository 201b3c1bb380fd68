from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from lanspread_peer.model.ids import parse_peer_id, peer_id_of_key
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from support.quic_pair import make_key


def test_the_peer_id_of_a_certificate_is_that_of_its_key() -> None:
    key = make_key()
    spki_der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    certificate = make_certificate(key)
    assert peer_id_of_certificate(certificate) == peer_id_of_key(spki_der)
    assert parse_peer_id(peer_id_of_certificate(certificate))


def test_the_common_name_is_the_peer_id_and_the_dates_never_end() -> None:
    certificate = make_certificate(make_key())
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == peer_id_of_certificate(certificate)
    assert certificate.not_valid_before_utc < datetime(2001, 1, 1, tzinfo=UTC)
    assert certificate.not_valid_after_utc > datetime(9999, 1, 1, tzinfo=UTC)
    certificate.verify_directly_issued_by(certificate)


def test_a_certificate_with_the_name_of_another_peer_is_not_that_peer() -> None:
    victim = make_certificate(make_key())
    liar_key = make_key()
    liar = (
        x509.CertificateBuilder()
        .subject_name(victim.subject)
        .issuer_name(victim.subject)
        .public_key(liar_key.public_key())
        .serial_number(1)
        .not_valid_before(victim.not_valid_before_utc)
        .not_valid_after(victim.not_valid_after_utc)
        .sign(liar_key, hashes.SHA256())
    )
    assert peer_id_of_certificate(liar) != peer_id_of_certificate(victim)
