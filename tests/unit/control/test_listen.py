import socket
import stat
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from lanspread_peer.control.listen import Endpoint, endpoint_of
from lanspread_peer.control.server import ControlServer
from lanspread_peer.model.errors import CannotBind, InvalidField
from lanspread_peer.model.limits import MAX_UNIX_SOCKET_PATH_BYTES
from support.control import TOKEN, open_channel
from support.memory_sidecar import MemorySidecar


@pytest.mark.parametrize(
    ("listen", "target"),
    [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("127.0.0.2:65535", "127.0.0.2:65535"),
        ("[::1]:7000", "[::1]:7000"),
    ],
)
def test_loopback_addresses_are_taken(listen: str, target: str) -> None:
    assert endpoint_of(listen) == Endpoint(target)


@pytest.mark.parametrize(
    ("listen", "dialled"),
    [
        ("0.0.0.0:7000", "127.0.0.1:7001"),
        ("[::]:7000", "[::1]:7001"),
        ("[0::0]:7000", "[::1]:7001"),
        ("192.168.1.2:7000", "192.168.1.2:7001"),
        ("[2001:db8::2]:7000", "[2001:db8::2]:7001"),
    ],
)
def test_what_others_can_hear_needs_tls(listen: str, dialled: str) -> None:
    endpoint = endpoint_of(listen)
    assert endpoint.needs_tls
    assert endpoint.on_port(7001) == Endpoint(dialled, needs_tls=True)


@pytest.mark.parametrize(
    "listen",
    [
        "localhost:7000",
        "example.com:7000",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "[127.0.0.1]:7000",
        "::1:7000",
        "[::1%lo]:7000",
        "dns:127.0.0.1:7000",
        "unix:relative",
        "unix:",
        "unix:/a\0b",
    ],
)
def test_anything_else_is_a_wrong_field(listen: str) -> None:
    with pytest.raises(InvalidField) as caught:
        endpoint_of(listen)
    assert caught.value.field == "listen"


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """An empty folder whose path leaves room for that of a socket, as `tmp_path` need not."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_the_default_socket_lies_in_a_private_folder_of_its_own(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    endpoint = endpoint_of("")
    assert endpoint.own_folder is not None
    assert endpoint.own_folder.parent == short_folder
    assert stat.S_IMODE(endpoint.own_folder.stat().st_mode) == 0o700
    assert endpoint.target == f"unix:{endpoint.socket_path}"
    endpoint.remove()
    endpoint.remove()
    assert list(short_folder.iterdir()) == []


def test_a_runtime_folder_that_is_too_deep_or_missing_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * MAX_UNIX_SOCKET_PATH_BYTES)
    for folder in (deep, tmp_path / "missing"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        endpoint = endpoint_of("")
        assert endpoint.own_folder is not None
        assert endpoint.own_folder.parent != folder
        endpoint.remove()
        deep.mkdir(exist_ok=True)
    assert list(deep.iterdir()) == []


@pytest.mark.parametrize("character", "#?%,")
def test_a_path_that_grpc_takes_for_something_else_is_a_wrong_field(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    folder = short_folder / f"a{character}41"
    with pytest.raises(InvalidField, match=r"a path without # % , \?"):
        endpoint_of(f"unix:{folder}/s")
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    endpoint = endpoint_of("")
    assert endpoint.own_folder is not None
    assert endpoint.own_folder.parent != folder
    endpoint.remove()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("character", sorted({*string.punctuation, " ", "é"} - set("#?%,/")))
async def test_a_path_with_any_other_character_is_reached(
    short_folder: Path, character: str
) -> None:
    folder = short_folder / f"a{character}41"
    folder.mkdir()
    server = await ControlServer.start(MemorySidecar(), f"unix:{folder}/s", TOKEN)
    async with open_channel(server.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        await health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    await server.stop(0)


def test_a_path_one_byte_too_long_is_a_wrong_field() -> None:
    fits = "/" + "d" * (MAX_UNIX_SOCKET_PATH_BYTES - 1)
    assert endpoint_of(f"unix:{fits}").socket_path == Path(fits)
    with pytest.raises(InvalidField):
        endpoint_of(f"unix:{fits}d")


def test_a_socket_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    assert endpoint_of(f"unix:{path}").socket_path == path
    assert not path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("mine")
    with pytest.raises(CannotBind):
        endpoint_of(f"unix:{path}")
    assert path.read_text() == "mine"
