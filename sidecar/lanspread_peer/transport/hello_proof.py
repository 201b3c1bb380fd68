"""The proof in a Hello: a certificate chain, and a signature by the key of its first certificate.

In open mode the chain proves nothing but that its first certificate is whole: it must be signed by
its own key, and its names, dates and issuers mean nothing. What it means at a party, and what was
signed, is for the callers of this module to say.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.errors import IdentityMismatch
from lanspread_peer.model.ids import PeerId
from lanspread_peer.transport.certificate import peer_id_of_certificate

_SIGNED_WITH = ec.ECDSA(hashes.SHA256())


def hello_chain(certificate: x509.Certificate) -> tuple[str, ...]:
    """The chain of one certificate, as a Hello carries it."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return (b64encode(der).decode("ascii"),)


def sign(key: ec.EllipticCurvePrivateKey, statement: bytes) -> str:
    """The signature of the statement, as a Hello carries it."""
    return b64encode(key.sign(statement, _SIGNED_WITH)).decode("ascii")


def check_proof(claimed: PeerId, chain: Sequence[str], signature: str, statement: bytes) -> None:
    """Like `proved_certificate`, for one that must also be signed by its own key."""
    certificate = proved_certificate(claimed, chain, signature, statement)
    try:
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature as error:
        raise IdentityMismatch("the certificate's signature is wrong") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityMismatch("the certificate is malformed") from error


def proved_certificate(
    claimed: PeerId, chain: Sequence[str], signature: str, statement: bytes
) -> x509.Certificate:
    """The first one of the chain, by whose key the claimed peer signed the statement.

    Raises IdentityMismatch.
    """
    try:
        certificate = x509.load_der_x509_certificate(_bytes_of(chain[0]))
        key = certificate.public_key()
        # Before any other use of it: the cost of another kind of key is for a stranger to choose.
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            key.curve, ec.SECP256R1
        ):
            raise IdentityMismatch("the certificate's key is none on P-256")
        if peer_id_of_certificate(certificate) != claimed:
            raise IdentityMismatch("the certificate is another peer's")
        key.verify(_bytes_of(signature), statement, _SIGNED_WITH)
    except InvalidSignature as error:
        raise IdentityMismatch("the signature is wrong") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IdentityMismatch("the certificate or the signature is malformed") from error
    else:
        return certificate


def _bytes_of(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise IdentityMismatch("expected base64") from error
