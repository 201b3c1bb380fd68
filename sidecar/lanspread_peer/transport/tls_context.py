"""TLS as the bulk transport has it: version 1.3 only, and keys instead of names and authorities."""

import os
import secrets
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def server_context(
    key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> ssl.SSLContext:
    """For the listening end, with this node's key and a certificate for it; raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Sessions are never resumed, so that tickets are only bytes to send and to keep.
    context.num_tickets = 0
    _load_key(context, key, certificate)
    return context


def client_context() -> ssl.SSLContext:
    """For the dialling end, which checks the other one's key by itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _load_key(
    context: ssl.SSLContext, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    # The ssl module takes keys from files only. What a kill would leave there is worth nothing, as
    # it is encrypted with a password that is never written.
    password = secrets.token_bytes(32).hex().encode("ascii")
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    descriptor, name = tempfile.mkstemp(prefix="lanspread-", suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        context.load_cert_chain(name, password=password)
    finally:
        Path(name).unlink()
