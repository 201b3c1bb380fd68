"""TLS for front ends that may be on another machine: a key and a certificate for one launch.

The token is good for one launch, and so is the certificate: whoever may read the one reads the
other beside it, trusts that certificate alone, and needs neither names nor authorities. The node's
key stays out of this, as it speaks for us to peers.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# What every client expects, whatever address it dials.
SERVER_NAME = "lanspread-peer"

# Clocks differ between machines; RFC 5280 section 4.1.2.5 names the second date for no end.
_NOT_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)
_NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LaunchTls:
    """A certificate in PEM, the SHA-256 of its DER in hex, and its key in PEM."""

    certificate: str
    sha256: str
    key: bytes = field(repr=False)

    def credentials(self) -> grpc.ServerCredentials:
        return grpc.ssl_server_credentials([(self.key, self.certificate.encode("ascii"))])


def make_launch_tls() -> LaunchTls:
    """A new key and its certificate."""
    # Of this curve because some clients know no other; grpc/grpc#24252 and #23235.
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOT_BEFORE)
        .not_valid_after(_NOT_AFTER)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return LaunchTls(
        certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        certificate.fingerprint(hashes.SHA256()).hex(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
