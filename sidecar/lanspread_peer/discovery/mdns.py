"""mDNS: announces this sidecar on the local network and reports the others it sees.

What others announce is the word of strangers: a sighting is a hint to dial, a goodbye is a hint to
ask. Invariants: at most MAX_KNOWN_PEERS services are remembered, and nothing that fails here, or
that anyone sends, reaches the caller as more than a call of `on_trouble`.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address

import structlog
import zeroconf
from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from lanspread_peer.core.first_times import FirstTimes, Novelty
from lanspread_peer.discovery.addresses import listen_addresses, own_addresses
from lanspread_peer.model.errors import MalformedMessage
from lanspread_peer.model.ids import InstanceId, PeerId
from lanspread_peer.model.limits import (
    MAX_ADDRESSES_PER_PEER,
    MAX_KNOWN_PEERS,
    MAX_LOG_KEYS_PER_MINUTE,
    MAX_REMEMBERED_LOG_KEYS,
)
from lanspread_peer.model.peer import Address, Sighting
from lanspread_peer.wire.announcement import SERVICE_TYPE, Announcement, decode_txt, encode_txt

log = structlog.get_logger()

# Any host can provoke its warnings; what matters reaches the caller as trouble.
logging.getLogger("zeroconf").setLevel(logging.CRITICAL)

# Most answers bring all records at once. For one that does not, ask; more than a few at a time
# would let a stranger who names services that do not exist make us flood the network.
_MAX_QUERIES = 16
_QUERY_TIMEOUT_MS = 3000

OnSighting = Callable[[Sighting], None]
OnGoodbye = Callable[[PeerId, InstanceId], None]
OnTrouble = Callable[[str], None]


@dataclass(slots=True)
class _Session:
    """What lives from a start to the next restart."""

    zeroconf: AsyncZeroconf
    browser: AsyncServiceBrowser
    announcing: asyncio.Future[None]


class MdnsDiscovery:
    """Announces and browses; the caller must `start` it once, and `close` it."""

    def __init__(
        self,
        announcement: Announcement,
        *,
        bind: str,
        on_sighting: OnSighting,
        on_goodbye: OnGoodbye,
        on_trouble: OnTrouble,
        poll_s: float = 10.0,
        interfaces: Callable[[], frozenset[str]] = lambda: own_addresses(""),
    ) -> None:
        """`bind` is an IP address whose interface alone is used, or empty for all.

        The callbacks run in the event loop. `interfaces` says what the machine has; when it says
        something else than before, at most `poll_s` later everything starts anew.
        """
        self._announcement = announcement
        self._bind = bind
        self._on_sighting = on_sighting
        self._on_goodbye = on_goodbye
        self._on_trouble = on_trouble
        self._poll_s = poll_s
        self._interfaces = interfaces
        self._session: _Session | None = None
        self._changing = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        self._queries: dict[str, asyncio.Task[None]] = {}
        self._known: dict[str, Sighting] = {}
        self._refused = FirstTimes(
            max_remembered=MAX_REMEMBERED_LOG_KEYS, per_minute=MAX_LOG_KEYS_PER_MINUTE
        )
        self._trouble = ""
        self._is_closed = False

    @property
    def is_running(self) -> bool:
        """Whether it announces and browses; False while the network does not let it."""
        return self._session is not None

    @property
    def known(self) -> tuple[Sighting, ...]:
        """What is announced now, as far as it is remembered."""
        return tuple(self._known.values())

    async def start(self) -> None:
        """Begin, and begin anew whenever the interfaces change; trouble is told, not raised."""
        loop = asyncio.get_running_loop()
        before = await asyncio.to_thread(self._interfaces)
        await self.restart()
        self._watcher = loop.create_task(self._watch_interfaces(before), name="mdns interfaces")

    async def restart(self) -> None:
        """Announce and browse anew, as after a machine woke up; all are sighted again."""
        async with self._changing:
            if self._is_closed:
                return
            await self._stop()
            await self._begin()

    async def close(self) -> None:
        """Say goodbye to the network and free everything."""
        async with self._changing:
            self._is_closed = True
            if self._watcher is not None:
                self._watcher.cancel()
                await asyncio.wait([self._watcher])
            await self._stop()

    async def _watch_interfaces(self, before: frozenset[str]) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            now = await asyncio.to_thread(self._interfaces)
            if now != before or self._session is None:
                before = now
                await self.restart()

    async def _begin(self) -> None:
        try:
            opened = await asyncio.to_thread(_service_info, self._announcement, self._bind)
            self._session = await self._open(opened)
        except (OSError, RuntimeError, ValueError, zeroconf.Error) as error:
            trouble = f"mDNS does not work here: {error}"
            if trouble != self._trouble:
                self._on_trouble(trouble)
            self._trouble = trouble
            return
        self._trouble = ""

    async def _open(self, info: AsyncServiceInfo) -> _Session:
        opened = _open_zeroconf(self._bind)
        try:
            # The name is random, so that there is no other to probe for.
            announcing = await opened.async_register_service(info, cooperating_responders=True)
            if not opened.zeroconf.engine.senders:
                raise OSError("no interface takes part in multicast")  # noqa: TRY301 - closes below
            browser = AsyncServiceBrowser(opened.zeroconf, SERVICE_TYPE, handlers=[self._on_change])
        except BaseException:
            await opened.async_close()
            raise
        return _Session(opened, browser, asyncio.ensure_future(_completed(announcing)))

    async def _stop(self) -> None:
        self._known.clear()
        queries = list(self._queries.values())
        for query in queries:
            query.cancel()
        await asyncio.gather(*queries, return_exceptions=True)
        session = self._session
        if session is None:
            return
        session.announcing.cancel()
        await asyncio.wait([session.announcing])
        try:
            await session.browser.async_cancel()
            await session.zeroconf.async_close()
        except (OSError, RuntimeError, zeroconf.Error) as error:
            log.debug("closing mDNS failed", error=str(error))
        self._session = None

    def _on_change(
        self,
        zeroconf: Zeroconf,
        service_type: str,  # noqa: ARG002 - called by keyword, and always ours
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        if name == self._announcement.service_name:
            return
        if state_change is ServiceStateChange.Removed:
            self._forget(name)
            return
        info = AsyncServiceInfo(SERVICE_TYPE, name)
        if info.load_from_cache(zeroconf):
            self._sight(name, info)
        elif name not in self._queries and len(self._queries) < _MAX_QUERIES:
            query = asyncio.get_running_loop().create_task(
                self._query(zeroconf, name, info), name=f"mdns query {name}"
            )
            self._queries[name] = query

    async def _query(self, zeroconf: Zeroconf, name: str, info: AsyncServiceInfo) -> None:
        try:
            if await info.async_request(zeroconf, _QUERY_TIMEOUT_MS):
                self._sight(name, info)
        finally:
            del self._queries[name]

    def _sight(self, name: str, info: AsyncServiceInfo) -> None:
        try:
            sighting = self._sighting(name, info)
        except (MalformedMessage, ValueError, RecursionError) as error:
            self._refuse(name, str(error))
            return
        if not sighting.addresses or self._known.get(name) == sighting:
            return
        # The oldest makes room: a stranger may fill the memory, but not hide who comes later.
        self._known.pop(name, None)
        if len(self._known) >= MAX_KNOWN_PEERS:
            del self._known[next(iter(self._known))]
        self._known[name] = sighting
        self._on_sighting(sighting)

    def _sighting(self, name: str, info: AsyncServiceInfo) -> Sighting:
        seen = decode_txt(info.properties)
        if name != seen.service_name:
            raise MalformedMessage("mDNS: the service is not named for its instance")
        hosts = info.parsed_scoped_addresses(IPVersion.All)
        addresses = tuple(Address(host, seen.port) for host in hosts if self._can_be_peer(host))
        return Sighting(addresses[:MAX_ADDRESSES_PER_PEER], "mdns", seen.peer_id, seen.instance)

    def _can_be_peer(self, host: str) -> bool:
        address = ip_address(host)
        if address.is_unspecified or address.is_multicast:
            return False
        # On loopback everybody is on this machine, and elsewhere nobody is reached by it.
        confined = bool(self._bind) and ip_address(self._bind).is_loopback
        return address.is_loopback == confined

    def _forget(self, name: str) -> None:
        sighting = self._known.pop(name, None)
        if sighting is None:
            return
        assert sighting.peer_id is not None
        assert sighting.instance is not None
        self._on_goodbye(sighting.peer_id, sighting.instance)

    def _refuse(self, name: str, reason: str) -> None:
        shown = ascii(name[:120])
        match self._refused.judge(name, now=asyncio.get_running_loop().time()):
            case Novelty.NEW:
                log.info("mDNS announcement ignored", service=shown, reason=reason)
            case Novelty.MORE:
                log.info("more mDNS announcements ignored, which are left out", like=shown)
            case Novelty.NOTHING:
                return


def _service_info(announcement: Announcement, bind: str) -> AsyncServiceInfo:
    own = listen_addresses(bind, announcement.port)
    return AsyncServiceInfo(
        SERVICE_TYPE,
        announcement.service_name,
        port=announcement.port,
        properties=encode_txt(announcement),
        # Not the machine's name: strangers need not know it, and this one cannot collide.
        server=f"{announcement.instance}.local.",
        parsed_addresses=[address.host.partition("%")[0] for address in own],
    )


def _open_zeroconf(bind: str) -> AsyncZeroconf:
    if bind:
        _raise_unless_local(bind)
        version = IPVersion.V6Only if ":" in bind else IPVersion.V4Only
        return AsyncZeroconf(interfaces=[bind], ip_version=version)
    if socket.has_ipv6:
        # A kernel may have been built with IPv6 and told not to use it.
        with contextlib.suppress(OSError):
            return AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    return AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V4Only)


def _raise_unless_local(bind: str) -> None:
    """Raises OSError; the library would too, but leaves a socket open when it does."""
    flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
    family, _, _, _, address = socket.getaddrinfo(bind, 0, type=socket.SOCK_DGRAM, flags=flags)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind(address)


async def _completed(awaitable: Awaitable[object]) -> None:
    await awaitable
