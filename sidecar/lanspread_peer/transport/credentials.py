"""What this node shows of itself, and whom it lets in: one place for all transports of a sidecar.

In open mode it shows a certificate of its own and lets everybody in. At a party it shows what the
organiser signed, and lets in who shows the same. Invariants: in which of the two modes it is never
changes; what it shows and trusts is swapped at once, for new connections. Whom it let in it
remembers by key, so that a renewed certificate counts for all connections of its owner; and by
authority, as one that ends sooner may be what counts once the other authority is trusted no more.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.errors import (
    IdentityMismatch,
    InvalidCertificate,
    NotAMember,
)
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_KNOWN_PEERS, MAX_PARTY_AUTHORITIES
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from lanspread_peer.transport.hello_proof import check_proof, hello_chain, proved_certificate
from lanspread_peer.transport.party_certificates import (
    is_authority,
    p256_key_of,
    read_certificates,
)
from lanspread_peer.transport.party_trust import PartyTrust, check_dates, ends_at
from lanspread_peer.transport.tls_context import server_context

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Party:
    """Whom a party trusts, and its certificate for this node, None as long as there is none."""

    trust: PartyTrust
    member: x509.Certificate | None


def read_party(authorities: bytes, member: bytes | None, key: ec.EllipticCurvePrivateKey) -> Party:
    """A party's files, in PEM, as this node may use them; raises InvalidCertificate."""
    with _naming("the party's authorities"):
        trusted = read_certificates(authorities, MAX_PARTY_AUTHORITIES)
        if not all(map(is_authority, trusted)):
            raise InvalidCertificate("one of them is none")
    trust = PartyTrust(trusted)
    with _naming("the member's certificate"):
        return Party(trust, None if member is None else _own_member(member, key, trust))


def _own_member(pem: bytes, key: ec.EllipticCurvePrivateKey, trust: PartyTrust) -> x509.Certificate:
    [certificate] = read_certificates(pem, 1)
    if p256_key_of(certificate) != key.public_key():
        raise InvalidCertificate("it is for another PC's key")
    try:
        # Whether it has begun and not ended yet is for those to judge who are shown it.
        trust.check(certificate, certificate.not_valid_before_utc)
    except NotAMember as error:
        raise InvalidCertificate(error.message) from error
    return certificate


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except InvalidCertificate as error:
        raise InvalidCertificate(f"{what}: {error.message}") from error


@dataclass(frozen=True, slots=True)
class _Admitted:
    """What a peer showed, who signed it, and the trust that it was verified by."""

    certificate: x509.Certificate
    authority: x509.Certificate
    trust: PartyTrust

    @classmethod
    def by(cls, trust: PartyTrust, certificate: x509.Certificate, now: datetime) -> "_Admitted":
        """Raises NotAMember."""
        return cls(certificate, trust.check(certificate, now), trust)

    def still(self, trust: PartyTrust, now: datetime) -> "_Admitted":
        """The same, by what is trusted now; raises NotAMember."""
        # What a signature is worth changes only with whom the party trusts.
        if self.trust is not trust:
            return self.by(trust, self.certificate, now)
        check_dates(self.certificate, now)
        return self

    @property
    def end(self) -> datetime:
        return ends_at(self.certificate)


class Credentials:
    """Those of one sidecar; `party` None is open mode."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        party: Party | None = None,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.key = key
        self.now = now
        self._party = party
        self._self_signed = make_certificate(key)
        self.peer_id = peer_id_of_certificate(self._self_signed)
        self._context: ssl.SSLContext | None = None
        # The best of each authority. Those that were looked at last come last.
        self._admitted: dict[PeerId, tuple[_Admitted, ...]] = {}

    @property
    def is_members_only(self) -> bool:
        """Whether this is a party, and nobody else is let in."""
        return self._party is not None

    @property
    def member(self) -> x509.Certificate | None:
        """The party's certificate for this node, if it has one."""
        return self._party.member if self._party is not None else None

    @property
    def certificate(self) -> x509.Certificate:
        """What is shown to whoever dials."""
        return self.member or self._self_signed

    @property
    def chain(self) -> tuple[str, ...]:
        """What is shown to whoever is dialled, as a Hello carries it."""
        return hello_chain(self.certificate)

    def server_context(self) -> ssl.SSLContext:
        """For the listening end of TLS; raises OSError where no file can be written."""
        if self._context is None:
            self._context = server_context(self.key, self.certificate)
        return self._context

    def adopt(self, party: Party) -> None:
        """Show and trust this from now on; raises OSError, and then nothing has changed.

        It may write a file, so it is for a thread.
        """
        assert self._party is not None, "the mode does not change"
        context = server_context(self.key, party.member or self._self_signed)
        self._party, self._context = party, context

    def check_caller(
        self, claimed: PeerId, chain: Sequence[str], signature: str, statement: bytes
    ) -> None:
        """Let in a caller that signed the statement; raises IdentityMismatch or NotAMember."""
        if self._party is None:
            check_proof(claimed, chain, signature, statement)
            return
        if len(chain) != 1:
            raise NotAMember("expected one certificate, as there is nobody in between")
        try:
            certificate = proved_certificate(claimed, chain, signature, statement)
        except IdentityMismatch as error:
            raise NotAMember(error.message) from error
        self.admit(certificate)

    def admit(self, certificate: x509.Certificate) -> None:
        """Let in a peer that proved to have the certificate's key.

        Raises NotAMember, which may be one of its kin, with the peer id.
        """
        if self._party is None:
            return
        trust, peer_id = self._party.trust, peer_id_of_certificate(certificate)
        try:
            admitted = _Admitted.by(trust, certificate, self.now())
        except NotAMember as error:
            error.metadata["peer_id"] = peer_id
            raise
        before, _ = self._judge(self._admitted.pop(peer_id, ()), trust)
        # As many as are trusted at most, as each of these is of one of them.
        in_order = sorted((*before, admitted), key=lambda one: one.end)
        self._admitted[peer_id] = tuple({one.authority: one for one in in_order}.values())
        while len(self._admitted) > MAX_KNOWN_PEERS:
            del self._admitted[next(iter(self._admitted))]

    def why_not(self, peer_id: PeerId) -> NotAMember | None:
        """Why a peer that was let in must go now, or None while any that it showed holds.

        Also when more than MAX_KNOWN_PEERS were let in after it was last asked for.
        """
        if self._party is None:
            return None
        # Taken once, as a thread may swap it meanwhile.
        trust, shown = self._party.trust, self._admitted.pop(peer_id, ())
        if not shown:
            return NotAMember("it showed no certificate")
        held, faults = self._judge(shown, trust)
        self._admitted[peer_id] = held or shown
        # That it was a member once tells a person more than that it is none.
        return None if held else min(faults, key=lambda fault: type(fault) is NotAMember)

    def next_end(self) -> datetime | None:
        """When the first certificate of those that were let in expires from now on."""
        now = self.now()
        ends = (one.end for shown in self._admitted.values() for one in shown)
        return min((end for end in ends if end >= now), default=None)

    def _judge(
        self, shown: Sequence[_Admitted], trust: PartyTrust
    ) -> tuple[tuple[_Admitted, ...], list[NotAMember]]:
        """Those that hold now, and what is wrong with the others."""
        held, faults = [], []
        for one in shown:
            try:
                held.append(one.still(trust, self.now()))
            except NotAMember as error:
                faults.append(error)
        return tuple(held), faults
