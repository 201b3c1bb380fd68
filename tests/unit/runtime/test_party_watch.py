"""When the papers of a party are looked at, and who is sent away then."""

import asyncio
import inspect
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lanspread_peer.model.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    NotAMember,
)
from lanspread_peer.model.events import Event
from lanspread_peer.model.ids import PeerId
from lanspread_peer.runtime import party_watch
from lanspread_peer.runtime.party_watch import Papers, PartyWatch
from lanspread_peer.storage.party_folder import read_party_files
from lanspread_peer.transport.certificate import peer_id_of_certificate
from lanspread_peer.transport.credentials import Credentials
from support.papers import SKEW, Authority, party_of, utc_now, write_papers
from support.quic_pair import make_key

SECOND = timedelta(seconds=1)


PAGE = Path(__file__).parents[3] / "docs" / "party.md"


class Watched:
    """A watch over one connected member, whose certificate ends in an hour, and a clock."""

    def __init__(self, folder: Path) -> None:
        authority, key = Authority.make(), make_key()
        party = party_of([authority], key, authority.member(key))
        self.now = utc_now()
        self.credentials = Credentials(key, party, self.clock)
        guest = authority.member(make_key(), end=timedelta(hours=1))
        self.end = guest.not_valid_after_utc + SKEW
        self.guest = peer_id_of_certificate(guest)
        self.credentials.admit(guest)
        self.connected: list[PeerId] = [self.guest]
        self.sent_away: list[tuple[PeerId, str]] = []
        self.events: list[Event] = []
        write_papers(folder, [authority], authority.member(key))
        self.watch = PartyWatch(
            Papers(folder, read_party_files(folder), party),
            self.credentials,
            members=lambda: self.connected,
            send_away=lambda peer_id, error: self.send_away(peer_id, error),
            renew=self.nothing,
            dial_again=lambda: None,
            emit=self.events.append,
        )

    def clock(self) -> datetime:
        return self.now

    async def nothing(self) -> None:
        return

    async def send_away(self, peer_id: PeerId, error: NotAMember) -> None:
        self.connected.remove(peer_id)
        self.sent_away.append((peer_id, error.reason))


async def test_it_looks_at_the_very_end_of_a_certificate(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert watched.watch._rest_s() == 3.0
    watched.now = watched.end - SECOND
    assert 1.0 < watched.watch._rest_s() < 1.1
    await watched.watch.look()
    assert watched.sent_away == []
    watched.now = watched.end + SECOND / 100
    await watched.watch.look()
    assert watched.sent_away == [(watched.guest, "CERTIFICATE_EXPIRED")]
    assert watched.watch._rest_s() == 3.0, "what has ended keeps nobody awake"


async def test_who_is_gone_when_its_certificate_ends_keeps_nobody_awake(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.connected.clear()
    watched.now = watched.end + SECOND
    assert watched.watch._rest_s() == 3.0


async def test_a_clock_that_jumps_back_sends_nobody_away(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.now -= timedelta(hours=5)
    await watched.watch.look()
    assert watched.sent_away == []


async def test_who_never_showed_a_certificate_must_go(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    stranger = PeerId("a" * 52)
    watched.connected.append(stranger)
    await watched.watch.look()
    assert watched.sent_away == [(stranger, "NOT_A_MEMBER")]


def test_the_guide_for_organisers_has_all_that_guests_may_see() -> None:
    warnings = re.findall(r'Warned\("(\w+)"', inspect.getsource(party_watch))
    refusals = [kind.reason for kind in (NotAMember, CertificateExpired, CertificateNotYetValid)]
    told = re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted({*warnings, *refusals})


async def test_who_is_slow_to_go_keeps_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path)
    slow, gone = PeerId("a" * 52), watched.send_away

    async def never_gone(peer_id: PeerId, error: NotAMember) -> None:
        if peer_id == slow:
            await asyncio.Event().wait()
        await gone(peer_id, error)

    monkeypatch.setattr(watched, "send_away", never_gone)
    monkeypatch.setattr(party_watch, "_GONE_WITHIN_S", 0.01)
    watched.connected.insert(0, slow)
    watched.now = watched.end + SECOND
    await asyncio.wait_for(watched.watch.look(), 10)
    assert watched.sent_away == [(watched.guest, "CERTIFICATE_EXPIRED")]


async def test_a_fault_while_looking_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(tmp_path)
    gone, sent_away = watched.send_away, asyncio.Event()
    failures = [RuntimeError("a bug"), OSError("a disk")]

    async def fails_first(peer_id: PeerId, error: NotAMember) -> None:
        if failures:
            raise failures.pop()
        await gone(peer_id, error)
        sent_away.set()

    monkeypatch.setattr(watched, "send_away", fails_first)
    monkeypatch.setattr(party_watch, "_LOOK_S", 0.01)
    watched.now = watched.end + SECOND
    running = asyncio.ensure_future(watched.watch.run())
    try:
        await asyncio.wait_for(sent_away.wait(), 10)
    finally:
        running.cancel()
    assert watched.connected == []
