"""The program `lanspread-peer` that says so in its log when it gives memory back."""

import structlog

from lanspread_peer.__main__ import main
from lanspread_peer.runtime import memory_at_rest

_return_free_memory = memory_at_rest.return_free_memory


def _return_loudly() -> None:
    _return_free_memory()
    structlog.get_logger().info("memory given back")


if __name__ == "__main__":
    memory_at_rest.return_free_memory = _return_loudly
    main()
