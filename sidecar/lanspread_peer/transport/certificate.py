"""The certificate of this node, and the peer id in the certificate of another.

In open mode a certificate only carries a public key: names, dates and issuers in it mean nothing.
"""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from lanspread_peer.model.ids import PeerId, peer_id_of_key

# Clocks at a LAN party are often wrong, and a certificate that lives in memory needs no end;
# RFC 5280 section 4.1.2.5 names the second date for "no well-defined expiration".
_NOT_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def make_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A self-signed certificate for this key, whose common name is the peer id."""
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, peer_id_of_public_key(key.public_key()))]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .sign(key, hashes.SHA256())
    )


def peer_id_of_certificate(certificate: x509.Certificate) -> PeerId:
    """The peer id of the certificate's public key, whatever its names say."""
    return peer_id_of_public_key(certificate.public_key())


def peer_id_of_public_key(key: CertificatePublicKeyTypes) -> PeerId:
    """The peer id of whoever has the private half."""
    spki_der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return peer_id_of_key(spki_der)
