"""The program `lanspread-peer` that fails: whenever games are listed, and when it is to end."""

from lanspread_peer.__main__ import main
from lanspread_peer.model.game import Title
from lanspread_peer.runtime.sidecar import Sidecar

_close = Sidecar.close


def _broken_titles(self: Sidecar) -> list[Title]:
    raise RuntimeError("a call failed on purpose")


async def _broken_end(self: Sidecar) -> None:
    await _close(self)
    raise RuntimeError("it crashed on purpose")


if __name__ == "__main__":
    Sidecar.titles = _broken_titles  # type: ignore[method-assign]
    Sidecar.close = _broken_end  # type: ignore[method-assign]
    main()
