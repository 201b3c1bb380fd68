"""Real multicast, on the loopback interface only.

Others announce themselves there too: sidecars of other tests that run at the same time.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from lanspread_peer.discovery import mdns
from lanspread_peer.discovery.mdns import MdnsDiscovery
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.model.limits import MAX_ADDRESSES_PER_PEER, MAX_LOG_KEYS_PER_MINUTE
from lanspread_peer.model.peer import Address, Sighting
from lanspread_peer.wire.announcement import SERVICE_TYPE, Announcement, encode_txt
from support.quic_party import until

LOOPBACK = "127.0.0.1"


def an_announcement(port: int = 26789) -> Announcement:
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    peer_id = "".join(secrets.choice(alphabet) for _ in range(52))
    return Announcement(PeerId(peer_id), InstanceId(secrets.token_hex(16)), 1, port)


class Watched:
    """A discovery and all that it told."""

    def __init__(self, *, bind: str = LOOPBACK, poll_s: float = 60.0) -> None:
        self.announcement = an_announcement()
        self.sightings: list[Sighting] = []
        self.goodbyes: list[tuple[PeerId, InstanceId]] = []
        self.troubles: list[str] = []
        self.interfaces = frozenset({LOOPBACK})
        self.discovery = MdnsDiscovery(
            self.announcement,
            bind=bind,
            on_sighting=self.sightings.append,
            on_goodbye=lambda *ids: self.goodbyes.append(ids),
            on_trouble=self.troubles.append,
            poll_s=poll_s,
            interfaces=lambda: self.interfaces,
        )

    def seen(self, other: Announcement) -> list[Sighting]:
        return [each for each in self.sightings if each.instance == other.instance]


@asynccontextmanager
async def watched(*, poll_s: float = 60.0) -> AsyncIterator[Watched]:
    made = Watched(poll_s=poll_s)
    await made.discovery.start()
    try:
        yield made
    finally:
        await made.discovery.close()


def a_service(
    announcement: Announcement,
    txt: dict[str, str],
    *,
    name: str | None = None,
    addresses: tuple[str, ...] = (LOOPBACK,),
    weight: int = 0,
) -> AsyncServiceInfo:
    return AsyncServiceInfo(
        SERVICE_TYPE,
        name or announcement.service_name,
        port=announcement.port,
        weight=weight,
        properties=txt,
        server=f"{announcement.instance}.local.",
        parsed_addresses=list(addresses),
    )


@asynccontextmanager
async def announced(
    announcement: Announcement,
    txt: dict[str, str],
    *,
    name: str | None = None,
    addresses: tuple[str, ...] = (LOOPBACK,),
) -> AsyncIterator[AsyncZeroconf]:
    """Someone else's service on loopback, with whatever in it."""
    stranger = AsyncZeroconf(interfaces=[LOOPBACK], ip_version=IPVersion.V4Only)
    info = a_service(announcement, txt, name=name, addresses=addresses)
    await (await stranger.async_register_service(info, cooperating_responders=True))
    try:
        yield stranger
    finally:
        await stranger.async_close()


async def test_two_sidecars_find_each_other_and_neither_finds_itself() -> None:
    before = asyncio.all_tasks()
    async with watched() as first, watched() as second:
        await until(lambda: bool(first.seen(second.announcement)))
        await until(lambda: bool(second.seen(first.announcement)))
        assert first.seen(second.announcement) == [
            Sighting(
                (Address(LOOPBACK, 26789),),
                "mdns",
                second.announcement.peer_id,
                second.announcement.instance,
            )
        ]
        assert not first.seen(first.announcement)
        assert (first.troubles, second.troubles) == ([], [])
    assert asyncio.all_tasks() - before == set()


async def test_a_goodbye_is_told_once_and_another_launch_is_sighted_anew() -> None:
    async with watched() as stays:
        async with watched() as leaves:
            await until(lambda: bool(stays.seen(leaves.announcement)))
        gone = (leaves.announcement.peer_id, leaves.announcement.instance)
        await until(lambda: gone in stays.goodbyes)
        assert stays.goodbyes.count(gone) == 1
        async with announced(leaves.announcement, encode_txt(leaves.announcement)):
            await until(lambda: len(stays.seen(leaves.announcement)) == 2)


async def test_news_that_changes_nothing_is_no_new_sighting() -> None:
    other = an_announcement()
    txt = encode_txt(other)
    async with watched() as made, announced(other, txt) as stranger:
        await until(lambda: bool(made.seen(other)))
        await (await stranger.async_update_service(a_service(other, txt, weight=5)))
        assert len(made.seen(other)) == 1
        changed = a_service(other, txt, addresses=(LOOPBACK, "127.0.0.3"))
        await (await stranger.async_update_service(changed))
        await until(lambda: len(made.seen(other)) == 2)


async def test_a_sighting_carries_several_addresses_and_not_too_many() -> None:
    many = tuple(f"127.0.1.{index}" for index in range(1, MAX_ADDRESSES_PER_PEER + 4))
    few, crowd = an_announcement(4000), an_announcement(5000)
    async with (
        watched() as made,
        announced(few, encode_txt(few), addresses=("127.0.1.1", "127.0.1.2", "::1")),
        announced(crowd, encode_txt(crowd), addresses=many),
    ):
        wanted = {Address(host, 4000) for host in ("127.0.1.1", "127.0.1.2", "::1")}
        await until(lambda: any(set(each.addresses) == wanted for each in made.seen(few)))
        await until(lambda: bool(made.seen(crowd)))
        assert max(len(each.addresses) for each in made.seen(crowd)) == MAX_ADDRESSES_PER_PEER


async def test_addresses_that_cannot_be_a_peer_on_this_interface_are_left_out() -> None:
    odd = an_announcement()
    hosts = (LOOPBACK, "192.0.2.9", "224.0.0.1", "0.0.0.0", "ff02::1", "::")
    async with watched() as made, announced(odd, encode_txt(odd), addresses=hosts):
        await until(lambda: bool(made.seen(odd)))
        assert {address.host for each in made.seen(odd) for address in each.addresses} == {LOOPBACK}


HOSTILE = (
    {"id": "not a peer id"},
    {"id": "a" * 180},
    {"in": "0" * 31},
    {"in": "f" * 32},
    {"v": "one"},
    {"port": "0"},
    {"port": "99999"},
    {"port": "\u0665"},
    {"port": ""},
)


async def test_hostile_txt_records_are_ignored_and_each_is_logged_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    liars = [an_announcement() for _ in HOSTILE]
    honest = an_announcement()
    async with contextlib.AsyncExitStack() as stack:
        made = await stack.enter_async_context(watched())
        services = [
            announced(liar, encode_txt(liar) | changed)
            for liar, changed in zip(liars, HOSTILE, strict=True)
        ]
        services.append(announced(honest, encode_txt(honest)))
        await asyncio.gather(*(service.__aenter__() for service in services))
        stack.push_async_callback(
            lambda: asyncio.gather(*(each.__aexit__(None, None, None) for each in services))
        )
        names = {liar.service_name for liar in liars}
        await until(
            lambda: bool(made.seen(honest)) and names <= set(made.discovery._refused.remembered)
        )
        await made.discovery.restart()
        made.sightings.clear()
        await until(lambda: bool(made.seen(honest)))
        assert not any(made.seen(liar) for liar in liars)
    told = [line for line in capsys.readouterr().out.splitlines() if "ignored" in line]
    assert [sum(name[:32] in line for line in told) for name in names] == [1] * len(HOSTILE)


async def test_a_service_that_is_not_named_for_its_instance_is_ignored() -> None:
    victim, honest = an_announcement(), an_announcement()
    wrong_name = f"{secrets.token_hex(16)}.{SERVICE_TYPE}"
    async with (
        watched() as made,
        announced(victim, encode_txt(victim), name=wrong_name),
        announced(honest, encode_txt(honest)),
    ):
        await until(
            lambda: bool(made.seen(honest)) and wrong_name in made.discovery._refused.remembered
        )
        assert not made.seen(victim)


async def test_only_so_many_services_are_remembered_and_the_latest_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mdns, "MAX_KNOWN_PEERS", 2)
    remembered: list[int] = []
    is_latest_one_of_them: list[bool] = []
    async with watched() as made:

        def note(sighting: Sighting) -> None:
            remembered.append(len(made.discovery.known))
            is_latest_one_of_them.append(sighting in made.discovery.known)
            made.sightings.append(sighting)

        monkeypatch.setattr(made.discovery, "_on_sighting", note)
        others = [an_announcement() for _ in range(3)]
        async with (
            announced(others[0], encode_txt(others[0])),
            announced(others[1], encode_txt(others[1])),
            announced(others[2], encode_txt(others[2])),
        ):
            await until(lambda: all(made.seen(each) for each in others))
    assert max(remembered) == 2
    assert all(is_latest_one_of_them)


async def test_made_up_services_fill_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    made = Watched()
    for _ in range(3 * MAX_LOG_KEYS_PER_MINUTE):
        made.discovery._refuse(an_announcement().service_name, "a reason")
    out = capsys.readouterr().out
    assert out.count("mDNS announcement ignored") == MAX_LOG_KEYS_PER_MINUTE
    assert out.count("more mDNS announcements") == 1


async def test_when_the_interfaces_change_all_are_sighted_again() -> None:
    async with watched(poll_s=0.05) as made, watched() as other:
        await until(lambda: len(made.seen(other.announcement)) == 1)
        await asyncio.sleep(0.2)
        assert len(made.seen(other.announcement)) == 1
        made.interfaces = frozenset({LOOPBACK, "192.0.2.5"})
        await until(lambda: len(made.seen(other.announcement)) == 2)


async def test_an_interface_that_does_not_exist_is_trouble_told_once_and_never_fatal() -> None:
    made = Watched(bind="192.0.2.77", poll_s=0.02)
    await made.discovery.start()
    assert not made.discovery.is_running
    await asyncio.sleep(0.1)
    assert len(made.troubles) == 1
    await made.discovery.close()


async def test_closing_at_any_moment_leaves_nothing_behind() -> None:
    before = asyncio.all_tasks()
    for turns in range(0, 12, 3):
        made = Watched(poll_s=0.001)
        await made.discovery.start()
        for turn in range(turns):
            made.interfaces = frozenset({str(turn)})
            await asyncio.sleep(0.001)
        await made.discovery.close()
        await made.discovery.restart()
        assert not made.discovery.is_running
    assert asyncio.all_tasks() - before == set()
