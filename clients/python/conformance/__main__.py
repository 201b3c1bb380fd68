"""Runs one scenario; its exit code is the verdict."""

import asyncio
import sys
from collections.abc import Callable, Coroutine

from conformance import access, downloads

SCENARIOS: dict[str, Callable[[], Coroutine[None, None, None]]] = {
    "spawn": access.spawn_and_end,
    "refused_token": access.refused_token,
    "wrong_field": access.wrong_field,
    "list_pages": access.list_pages,
    "download": downloads.download,
    "resume": downloads.resume,
    "expired_token": downloads.expired_token,
    "cancel": downloads.cancel,
    "tls": access.tls,
    "shutdown": access.shutdown,
    "parent_killed": access.parent_killed,
}


def main() -> None:
    """An exception is the other verdict."""
    name = " ".join(sys.argv[1:])
    if name not in SCENARIOS:
        sys.exit(f"no scenario {name}; there are {', '.join(SCENARIOS)}")
    asyncio.run(SCENARIOS[name]())


main()
