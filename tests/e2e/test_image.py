"""The container image is built for real, by the scripts that anybody runs, and its health answers.

With a Docker engine it is built on the official Python image; without, by buildah on a base of
Debian's own packages. Then it takes root, and a storage of its own, of which nothing is left.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
IMAGE = "localhost/lanspread-peer-test:latest"
BASE = "localhost/lanspread-base-test:latest"
BUILD_S = 900

pytestmark = [pytest.mark.slow, pytest.mark.image, pytest.mark.timeout(BUILD_S)]


def has_docker() -> bool:
    command = ["docker", "info"]
    return (
        shutil.which("docker") is not None
        and not subprocess.run(command, check=False, capture_output=True, timeout=60).returncode
    )


def has_buildah() -> bool:
    programs = ("buildah", "debootstrap", "apt-get")
    return all(map(shutil.which, programs)) and os.geteuid() == 0


def run(name: str) -> str:
    """What a script says; it must succeed."""
    done = subprocess.run(
        [SCRIPTS / name], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the image, which is built."""
    monkeypatch.setenv("IMAGE", IMAGE)
    if has_docker():
        run("build_image.sh")
        yield IMAGE
        subprocess.run(["docker", "image", "rm", IMAGE], check=True, capture_output=True)
        return
    if not has_buildah():
        pytest.skip("needs a Docker engine, or buildah and debootstrap and root")
    storage = {"driver": "vfs", "graphroot": tmp_path / "images", "runroot": tmp_path / "running"}
    lines = [f"{name} = {json.dumps(str(value))}" for name, value in storage.items()]
    config = tmp_path / "storage.conf"
    config.write_text("\n".join(["[storage]", *lines]), "utf-8")
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(config))
    monkeypatch.setenv("PYTHON_IMAGE", BASE)
    run("build_debian_base.sh")
    run("build_image.sh")
    yield IMAGE
    # A gigabyte, which pytest would keep for three runs.
    shutil.rmtree(tmp_path / "images")


def test_the_image_serves_and_its_health_check_answers(image: str) -> None:
    told = run("check_image.sh")
    assert "peer id:" in told
    assert told.endswith("the image serves, is healthy, and ends cleanly\n")
