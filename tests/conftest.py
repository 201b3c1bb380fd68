"""How all tests run: the same examples each time, no verdict from a clock, nobody's settings."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from lanspread_peer.control.config_keys import KEYS
from lanspread_peer.control.config_sources import CONFIG_VARIABLE

settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def _nothing_configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the user of this machine has configured does not reach the sidecars of tests."""
    with pytest.MonkeyPatch.context() as environment:
        for name in (CONFIG_VARIABLE, *(key.variable for key in KEYS)):
            environment.delenv(name, raising=False)
        environment.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield
