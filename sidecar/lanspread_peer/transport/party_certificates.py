"""The certificates of a party: its authority's, its members', and the requests for those.

A party has one kind of authority, which signs members and nothing else, and one kind of member,
which is a node key for a time. What a member shows to whoever dials it names no person and no
party: only a peer id, a number for the authority, and dates. Making them is for organisers; who is
let in is for party_trust.py.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lanspread_peer.model.errors import InvalidCertificate
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_CERTIFICATE_BYTES, MAX_PARTY_FILE_BYTES
from lanspread_peer.transport.certificate import peer_id_of_public_key

PEER_URN = "urn:lanspread:peer:"

# What the authority is called in the certificates of members: enough to tell two of them apart.
_AUTHORITY_ID_CHARS = 16

_Parsed = TypeVar("_Parsed")


def make_authority(
    key: ec.EllipticCurvePrivateKey, party: str, begin: datetime, end: datetime
) -> x509.Certificate:
    """A party's authority; the name of the party stands in its own certificate alone."""
    public = key.public_key()
    name = _common_name(f"lanspread party {peer_id_of_public_key(public)[:_AUTHORITY_ID_CHARS]}")
    shown = x509.SubjectAlternativeName([x509.DirectoryName(_common_name(party))])
    return (
        _builder(name, name, public, begin, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_members=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(shown, critical=False)
        .sign(key, hashes.SHA256())
    )


def make_member(
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    public: ec.EllipticCurvePublicKey,
    begin: datetime,
    end: datetime,
) -> x509.Certificate:
    """The certificate of a node; it never outlasts its authority, nor begins before it."""
    peer_id = peer_id_of_public_key(public)
    issuer_key = authority_key.public_key()
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _builder(
            _common_name(peer_id),
            authority.subject,
            public,
            max(begin, authority.not_valid_before_utc),
            min(end, authority.not_valid_after_utc),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_members=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(PEER_URN + peer_id)]),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )


def make_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What a node asks an organiser with, in PEM: its public key, signed by itself."""
    name = _common_name(peer_id_of_public_key(key.public_key()))
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def requested_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a request whose sender has the private half; raises InvalidCertificate."""
    request = _parsed(pem, x509.load_pem_x509_csr, "certificate request")
    key = p256_key_of(request)
    if not request.is_signature_valid:
        raise InvalidCertificate("the request is not signed by its own key")
    return key


def read_certificates(pem: bytes, most: int) -> tuple[x509.Certificate, ...]:
    """The certificates of a file in PEM, at least one; raises InvalidCertificate."""
    found = _parsed(pem, x509.load_pem_x509_certificates, "certificate")
    if len(found) > most:
        raise InvalidCertificate(f"expected at most {most} certificates, found {len(found)}")
    for certificate in found:
        require_bounded(certificate)
    return tuple(found)


def read_authority_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The private key of an authority; raises InvalidCertificate."""
    key = _parsed(pem, lambda data: serialization.load_pem_private_key(data, None), "private key")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidCertificate("expected a private key on P-256")
    return key


def in_pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """The certificates as a file has them."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def p256_key_of(
    holder: x509.Certificate | x509.CertificateSigningRequest,
) -> ec.EllipticCurvePublicKey:
    """Its key; raises InvalidCertificate when that is of another kind, or malformed."""
    try:
        key = holder.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidCertificate("the key in it is malformed") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidCertificate("expected a key on P-256")
    return key


def require_bounded(certificate: x509.Certificate) -> None:
    """Raises InvalidCertificate when it has more than MAX_CERTIFICATE_BYTES."""
    if len(certificate.public_bytes(serialization.Encoding.DER)) > MAX_CERTIFICATE_BYTES:
        raise InvalidCertificate(f"expected at most {MAX_CERTIFICATE_BYTES} bytes a certificate")


def party_name_of(authority: x509.Certificate) -> str:
    """The name of the party, or empty when the certificate has none."""
    try:
        names = authority.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = names.get_values_for_type(x509.DirectoryName)
        return str(shown[0].get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    except (x509.ExtensionNotFound, ValueError, IndexError):
        return ""


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it says of itself that it may sign others."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False
    return basic.ca


def fingerprint_of(certificate: x509.Certificate) -> str:
    """SHA-256 over its DER form, in hex, for people to compare."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def peer_id_in(certificate: x509.Certificate) -> PeerId:
    """The id of the peer whose key it holds; raises InvalidCertificate."""
    return peer_id_of_public_key(p256_key_of(certificate))


def _parsed(pem: bytes, parse: Callable[[bytes], _Parsed], what: str) -> _Parsed:
    if len(pem) > MAX_PARTY_FILE_BYTES:
        raise InvalidCertificate(f"expected at most {MAX_PARTY_FILE_BYTES} bytes of {what}")
    try:
        return parse(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidCertificate(f"expected a {what} in PEM") from error


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    begin: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _key_usage(*, signs_members: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_members,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_members,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
