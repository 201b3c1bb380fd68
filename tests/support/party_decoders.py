"""The decoders of a party's papers, for the table in decoders.py, and what they take."""

from base64 import b64encode
from collections.abc import Callable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from lanspread_peer.model.errors import IdentityMismatch, InvalidCertificate, NotAMember
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.credentials import Credentials, read_party
from lanspread_peer.transport.hello_proof import sign
from lanspread_peer.transport.party_certificates import (
    fingerprint_of,
    in_pem,
    is_authority,
    make_request,
    party_name_of,
    peer_id_in,
    read_authority_key,
    read_certificates,
    requested_key,
)
from lanspread_peer.transport.party_trust import PartyTrust
from support.papers import Authority, der_of, private_pem, utc_now
from support.quic_pair import make_key

Paper = tuple[str, Callable[[bytes], object], tuple[bytes, ...], tuple[type[Exception], ...]]

_AUTHORITY = Authority.make()
_TRUST = PartyTrust([_AUTHORITY.certificate])
_KEY = make_key()
_MEMBER = _AUTHORITY.member(_KEY)
_BUNDLE = in_pem([_AUTHORITY.certificate])
_STATEMENT = b"statement"


def shown_certificate(data: bytes) -> None:
    """What a listener shows in its handshake, once the library could load it."""
    try:
        certificate = x509.load_der_x509_certificate(data)
        certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NotAMember("what the transports refuse") from None
    _TRUST.check(certificate, utc_now())


def hello_certificate(data: bytes) -> None:
    """What a caller shows in its Hello, with a signature that is right."""
    credentials = Credentials(_KEY, read_party(_BUNDLE, None, _KEY))
    chain = [b64encode(data).decode("ascii")]
    credentials.check_caller(credentials.peer_id, chain, sign(_KEY, _STATEMENT), _STATEMENT)


def certificate_file(data: bytes) -> None:
    """Files that a person installs or looks at."""
    for certificate in read_certificates(data, 4):
        fingerprint_of(certificate)
        party_name_of(certificate)
        if not is_authority(certificate):
            peer_id_in(certificate)
    read_party(data, None, _KEY)


def member_file(data: bytes) -> None:
    """The certificate that a person installs."""
    read_party(_BUNDLE, data, _KEY)


def authority_file(data: bytes) -> None:
    """What an organiser keeps."""
    read_authority_key(data)
    read_certificates(data, 1)


def request_file(data: bytes) -> None:
    """What a guest sends."""
    requested_key(data)


_CERTIFICATES = (der_of(_MEMBER), der_of(_AUTHORITY.certificate), der_of(make_certificate(_KEY)))
_FILES = (_BUNDLE, in_pem([_MEMBER]), _BUNDLE + in_pem([_MEMBER]))
_PROOF, _FILE = (NotAMember, IdentityMismatch), (InvalidCertificate,)

# Name, decoder, inputs that it takes, errors that it raises.
PAPERS: tuple[Paper, ...] = (
    ("shown certificate", shown_certificate, _CERTIFICATES, _PROOF),
    ("hello certificate", hello_certificate, _CERTIFICATES, _PROOF),
    ("party.crt", certificate_file, _FILES, _FILE),
    ("member.crt", member_file, _FILES, _FILE),
    ("ca.pem", authority_file, (private_pem(_AUTHORITY.key) + _BUNDLE,), _FILE),
    ("certificate request", request_file, (make_request(_KEY),), _FILE),
)
