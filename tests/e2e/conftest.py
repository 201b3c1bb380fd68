"""What tests with real processes share."""

import pytest

from lanspread_client import sidecar_process
from support.processes import PATIENCE_S


@pytest.fixture
def no_end_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawned sidecar that takes long to end, as on a busy machine, is not killed for it."""
    monkeypatch.setattr(sidecar_process, "_END_PATIENCE_S", PATIENCE_S)
