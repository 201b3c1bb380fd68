"""Renewals: a party's new certificate is shown on the connections that were there before it.

Those who have seen it keep us when the old one ends. One who does not take it, as it does not know
the new authority yet, is shown it again later.
"""

import asyncio
from collections.abc import Iterable
from weakref import WeakKeyDictionary

import structlog
from cryptography import x509

from lanspread_peer.model.errors import LanspreadError
from lanspread_peer.runtime.clock import monotonic_s
from lanspread_peer.runtime.greeting import Greeter
from lanspread_peer.runtime.logs import LogOnce
from lanspread_peer.transport.base import Connection

_log = structlog.get_logger(__name__)

# Being refused is an offence, and several sidecars at one address share the patience for these.
_TRY_AGAIN_S = 60.0


class Renewals:
    """What was shown on which connection, since the certificate changed first."""

    def __init__(self, first: x509.Certificate) -> None:
        self._first = first
        self._shown: WeakKeyDictionary[Connection, x509.Certificate] = WeakKeyDictionary()
        self._next_try: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        self._said = LogOnce()

    async def show(
        self, certificate: x509.Certificate, connections: Iterable[Connection], greeter: Greeter
    ) -> None:
        """Prove ourselves anew, with this certificate, where it was not shown; raises nothing."""
        if certificate == self._first:
            return
        now = monotonic_s()
        due = [
            connection
            for connection in connections
            if now >= self._next_try.get(connection, 0.0)
            and self._shown.get(connection) != certificate
        ]
        await asyncio.gather(*(self._show(certificate, one, greeter) for one in due))

    async def _show(
        self, certificate: x509.Certificate, connection: Connection, greeter: Greeter
    ) -> None:
        try:
            await greeter.greet(connection)
        except LanspreadError as error:
            self._next_try[connection] = monotonic_s() + _TRY_AGAIN_S
            if self._said.first_time(connection.peer_id, error.reason):
                detail = error.message
                _log.info("renewal not taken", peer=connection.peer_id, detail=detail)
        else:
            self._shown[connection] = certificate
