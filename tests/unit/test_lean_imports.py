"""What stands for a module that is not needed yet: it saves memory, and nothing else is noticed."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from lanspread_peer.lean_imports import loaded_when_used

# In a new process, as this one has loaded everything for other tests.
CHECK_A_CERTIFICATE = """
import ssl, sys
from datetime import UTC, datetime, timedelta
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
import lanspread_peer.transport
from aioquic import tls

PARTS = ("service_identity", "OpenSSL", "OpenSSL.crypto", "certifi")
assert not [part for part in PARTS if part in sys.modules]
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "party")])
now = datetime.now(UTC)
certificate = (
    x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("party.lan")]), critical=False)
    .sign(key, hashes.SHA256())
)
pem = certificate.public_bytes(serialization.Encoding.PEM)
tls.verify_certificate(certificate, server_name="party.lan", cadata=pem)
for wrong in ({"server_name": "other.lan", "cadata": pem}, {"server_name": "party.lan"}):
    try:
        tls.verify_certificate(certificate, **wrong)
    except tls.AlertBadCertificate:
        continue
    raise AssertionError(wrong)
assert all(part in sys.modules for part in PARTS)
"""
PROTOBUF = """
import sys
import lanspread_peer.control
from google.protobuf import descriptor_pool
from google.protobuf.internal import builder

assert "google.protobuf.internal.python_message" not in sys.modules
for module in (descriptor_pool, builder):
    assert callable(module.python_message.GeneratedProtocolMessageType)
from google.protobuf.internal import python_message
assert python_message.GeneratedProtocolMessageType
"""


@pytest.mark.parametrize("program", [CHECK_A_CERTIFICATE, PROTOBUF])
def test_a_library_still_has_what_was_kept_out(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A library whose one module loads two more."""
    folder = tmp_path / "a_library"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("import a_library.part\nfrom a_library.inner import deep\n")
    (folder / "part.py").write_text("VALUE = 7\n")
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "inner" / "deep.py").write_text("VALUE = 8\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "a_library"
    for name in [name for name in sys.modules if name.startswith("a_library")]:
        del sys.modules[name]


def loaded(library: str) -> list[str]:
    """What is loaded of the library."""
    return sorted(name for name in sys.modules if name.startswith(library))


def test_what_is_not_used_is_not_loaded(library: str) -> None:
    with loaded_when_used("a_library.inner", "a_library.inner.deep"):
        import_module(library)
    assert loaded(library) == ["a_library", "a_library.part"]


def test_it_is_loaded_with_its_parents_when_it_is_used(library: str) -> None:
    with loaded_when_used("a_library.inner", "a_library.inner.deep"):
        whole = import_module(library)
    assert whole.deep.VALUE == 8
    assert whole.deep.VALUE is import_module("a_library.inner.deep").VALUE
    with pytest.raises(AttributeError, match="OTHER"):
        _ = whole.deep.OTHER


def test_what_is_used_at_once_is_loaded_at_once(library: str, tmp_path: Path) -> None:
    (tmp_path / "a_library" / "__init__.py").write_text("from a_library.part import VALUE\n")
    with loaded_when_used("a_library.part"):
        whole = import_module(library)
    assert whole.VALUE == 7


def test_what_was_loaded_before_stays(library: str) -> None:
    whole = import_module(library)
    with loaded_when_used("a_library.part"):
        assert import_module("a_library.part") is whole.part
    assert import_module("a_library.part") is whole.part


def test_nothing_is_left_standing_when_a_library_cannot_be_loaded(
    library: str, tmp_path: Path
) -> None:
    (tmp_path / "a_library" / "__init__.py").write_text("import a_library.part\n1 / 0\n")
    with pytest.raises(ZeroDivisionError), loaded_when_used("a_library.part"):
        import_module(library)
    assert loaded(library) == []
