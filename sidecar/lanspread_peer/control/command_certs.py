"""`lanspread-peer certs`: what the organiser of a party does, and what a guest sends him.

Private keys never travel: a guest sends a request that his node key signed, and gets a folder with
two public files back.
"""

import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from platformdirs import user_state_dir

from lanspread_peer.control.exit_codes import exit_code_of
from lanspread_peer.model.errors import InvalidCertificate, LanspreadError
from lanspread_peer.model.limits import MAX_NAME_BYTES, MAX_PARTY_AUTHORITIES, MAX_PARTY_FILE_BYTES
from lanspread_peer.storage.authority_folder import AuthorityFolder
from lanspread_peer.storage.disk_errors import disk_errors
from lanspread_peer.storage.node_key import load_or_create_key
from lanspread_peer.storage.state_dir import open_state_dir
from lanspread_peer.transport.certificate import peer_id_of_public_key
from lanspread_peer.transport.party_certificates import (
    fingerprint_of,
    in_pem,
    is_authority,
    make_authority,
    make_member,
    make_request,
    p256_key_of,
    party_name_of,
    peer_id_in,
    read_authority_key,
    read_certificates,
    requested_key,
)

_Words = ParamSpec("_Words")

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_DAYS = click.IntRange(1, 3650)
# Clocks that are a time zone or two behind must not find it not begun.
_BEGINS_BEFORE = timedelta(days=1)


def _telling(command: Callable[_Words, None]) -> Callable[_Words, None]:
    """The command, whose errors become a line on stderr and an exit code."""

    @wraps(command)
    def run(*words: _Words.args, **options: _Words.kwargs) -> None:
        try:
            command(*words, **options)
        except LanspreadError as error:
            click.echo(f"lanspread-peer: {error.reason}: {error.message}", err=True)
            sys.exit(exit_code_of(error))

    return run


@click.group("certs")
def certs_group() -> None:
    """Keep a party to its members; docs/party.md says how."""


@certs_group.command("init")
@click.argument("folder", type=_FOLDER)
@click.option("--name", required=True, help="The party's name; only members see it.")
@click.option("--days", type=_DAYS, default=365, show_default=True, help="How long it lasts.")
@_telling
def init_command(folder: Path, name: str, days: int) -> None:
    """Found a party: make its authority, in FOLDER, which is for the organiser alone."""
    if not 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES:
        raise InvalidCertificate(f"expected a name of at most {MAX_NAME_BYTES} bytes")
    made = AuthorityFolder.create(folder)
    authority = _found(made, name, days, trusted=())
    click.echo(f"{made.path}: party {name!r} until {_day(authority.not_valid_after_utc)}")


@certs_group.command("request")
@click.argument("file", type=_FILE)
@click.option(
    "--state-dir",
    default=user_state_dir("lanspread-peer", appauthor=False),
    show_default=True,
    help="That of the sidecar of this PC.",
)
@_telling
def request_command(file: Path, state_dir: str) -> None:
    """Write FILE for the organiser: this PC's public key, and the proof that it has the key."""
    node_key = load_or_create_key(open_state_dir(state_dir))
    with disk_errors(f"write {file}"), file.open("xb") as opened:
        opened.write(make_request(node_key.private_key))
    click.echo(f"{file}: the request of peer {node_key.peer_id}")


@certs_group.command("issue")
@click.argument("folder", type=_FOLDER)
@click.argument("requests", type=_FILE, nargs=-1, required=True)
@click.option("--days", type=_DAYS, default=90, show_default=True, help="How long they last.")
@_telling
def issue_command(folder: Path, requests: tuple[Path, ...], days: int) -> None:
    """Make members of those who sent REQUESTS; each gets the folder that is shown."""
    opened = AuthorityFolder.open(folder)
    keys = [requested_key(_read(request)) for request in requests]
    _issue(opened, keys, days)


@certs_group.command("rotate")
@click.argument("folder", type=_FOLDER)
@click.option("--days", type=_DAYS, help="How long the new ones last.")
@click.option("--member", "members", multiple=True, metavar="PEER_ID", help="Only this one.")
@click.option("--new-ca", is_flag=True, help="Make a new authority; both are trusted then.")
@click.option("--end-overlap", is_flag=True, help="Trust the newest authority alone.")
@_telling
def rotate_command(
    folder: Path, days: int | None, members: tuple[str, ...], new_ca: bool, end_overlap: bool
) -> None:
    """Give all members new certificates, or the party a new authority."""
    opened = AuthorityFolder.open(folder)
    if new_ca + end_overlap + bool(members) > 1:
        raise click.UsageError("--new-ca, --end-overlap and --member exclude each other")
    if new_ca:
        _replace_authority(opened, days or 365)
    elif end_overlap:
        _, authority = _authority_of(opened)
        opened.keep_trusted(in_pem([authority]))
        click.echo(f"{opened.path}: only {fingerprint_of(authority)[:16]} is trusted now")
    else:
        names = members or tuple(opened.members())
        _issue(opened, [_key_of_member(opened, name) for name in names], days or 90)


@certs_group.command("show")
@click.argument("files", type=_FILE, nargs=-1, required=True)
@_telling
def show_command(files: tuple[Path, ...]) -> None:
    """Say what FILES are: an authority, a member, a request; whose, and how long valid."""
    for file in files:
        for line in _lines_of(_read(file)):
            click.echo(f"{file}: {line}")


def _found(
    folder: AuthorityFolder, name: str, days: int, trusted: Iterable[x509.Certificate]
) -> x509.Certificate:
    """Make an authority and use it; these are trusted, too."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = make_authority(key, name, *_period(days))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # In this order, as what an authority signs that is not trusted is worth nothing.
    folder.keep_trusted(in_pem([authority, *trusted]))
    folder.keep_authority(private + in_pem([authority]))
    return authority


def _replace_authority(folder: AuthorityFolder, days: int) -> None:
    _, old = _authority_of(folder)
    trusted = read_certificates(folder.trusted(), MAX_PARTY_AUTHORITIES)
    if len(trusted) >= MAX_PARTY_AUTHORITIES:
        raise InvalidCertificate("too many authorities are trusted; --end-overlap comes first")
    new = _found(folder, party_name_of(old), days, trusted)
    click.echo(f"{folder.path}: a new authority until {_day(new.not_valid_after_utc)}")
    click.echo("hand out party.crt to all members first, then rotate their certificates")


def _authority_of(folder: AuthorityFolder) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    pem = folder.authority()
    key = read_authority_key(pem)
    [certificate] = read_certificates(pem, 1)
    if p256_key_of(certificate) != key.public_key():
        raise InvalidCertificate("the authority's key and certificate do not belong together")
    return key, certificate


def _key_of_member(folder: AuthorityFolder, name: str) -> ec.EllipticCurvePublicKey:
    [certificate] = read_certificates(folder.member(name), 1)
    trusted = read_certificates(folder.trusted(), MAX_PARTY_AUTHORITIES)
    if not any(_is_issued_by(certificate, authority) for authority in trusted):
        raise InvalidCertificate(f"the certificate of member {name} is not of this party")
    return p256_key_of(certificate)


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _issue(folder: AuthorityFolder, keys: Iterable[ec.EllipticCurvePublicKey], days: int) -> None:
    authority_key, authority = _authority_of(folder)
    if authority not in read_certificates(folder.trusted(), MAX_PARTY_AUTHORITIES):
        raise InvalidCertificate("the authority is not in party.crt; rotate with --new-ca")
    for key in keys:
        begin, end = _period(days)
        if authority.not_valid_after_utc <= datetime.now(UTC):
            raise InvalidCertificate("the authority has expired; rotate with --new-ca")
        member = make_member(authority_key, authority, key, begin, end)
        peer_id = peer_id_in(member)
        path = folder.keep_member(peer_id, in_pem([member]))
        click.echo(f"{path}: member {peer_id} until {_day(member.not_valid_after_utc)}")


def _period(days: int) -> tuple[datetime, datetime]:
    now = datetime.now(UTC).replace(microsecond=0)
    return now - _BEGINS_BEFORE, now + timedelta(days=days)


def _read(file: Path) -> bytes:
    with disk_errors(f"read {file}"), file.open("rb") as opened:
        return opened.read(MAX_PARTY_FILE_BYTES + 1)


def _lines_of(pem: bytes) -> list[str]:
    if b"CERTIFICATE REQUEST" in pem:
        key = requested_key(pem)
        return [f"request of peer {peer_id_of_public_key(key)}"]
    lines = ["PRIVATE KEY: never give this file away"] if b"PRIVATE KEY" in pem else []
    if lines and b"CERTIFICATE" not in pem:
        return lines
    return lines + [_line_of(one) for one in read_certificates(pem, MAX_PARTY_AUTHORITIES)]


def _line_of(certificate: x509.Certificate) -> str:
    kind = f"member {peer_id_in(certificate)}"
    if is_authority(certificate):
        kind = f"authority of party {party_name_of(certificate)!r}"
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = datetime.now(UTC)
    note = " EXPIRED" if now > end else " NOT YET VALID" if now < begin else ""
    dates = f"valid from {_day(begin)} until {_day(end)}{note}"
    return f"{kind}, {dates}, fingerprint {fingerprint_of(certificate)}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
