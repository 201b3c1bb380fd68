"""The snippets that embed a sidecar, in the READMEs, do so as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clients.conformance.under_test import (
    ROOT,
    NotBuilt,
    client_program,
    require_built,
    rust_program,
)
from support.game_trees import make_game
from support.processes import BIN

pytestmark = pytest.mark.slow

_PATIENCE_S = 120.0
_MAX_STATEMENTS = 10
_TYPESCRIPT = ROOT / "clients/typescript"
_SNIPPETS = [
    (document, language)
    for language in ("python", "typescript", "rust")
    for document in (f"clients/{language}/README.md", "README.md")
]


@pytest.mark.parametrize(("document", "language"), _SNIPPETS)
def test_a_snippet_runs_and_takes_ten_lines(document: str, language: str, tmp_path: Path) -> None:
    snippet = _snippet(document, language)
    require_built(language, client_program(language))
    assert len(_statements(snippet)) <= _MAX_STATEMENTS
    make_game(tmp_path / "games")
    ended = subprocess.run(
        _command(language, snippet, tmp_path),
        check=False,
        cwd=tmp_path,
        env=_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout == "aoe2 held by 0 peers\n"
    assert not (tmp_path / "state/runtime.json").exists()


def _snippet(document: str, language: str) -> str:
    """What stands between `<!-- snippet: LANGUAGE -->` and `<!-- end -->`, in a fenced block."""
    path = ROOT / document
    text = path.read_text("utf-8") if path.is_file() else ""
    found = re.search(
        rf"<!-- snippet: {language} -->\n```[a-z]+\n(.*?)```\n<!-- end -->", text, re.DOTALL
    )
    if found is None:
        require_built(language, NotBuilt(f"{document} has no {language} snippet"))
        raise AssertionError
    return found[1]


def _statements(snippet: str) -> list[str]:
    """The lines that do something: neither empty, nor an import, nor the end of a block."""
    lines = [line.strip() for line in snippet.splitlines()]
    return [
        line
        for line in lines
        if line.strip("}") and not line.startswith(("import ", "from ", "use "))
    ]


def _command(language: str, snippet: str, folder: Path) -> list[str]:
    if language == "python":
        return [sys.executable, "-c", snippet]
    if language == "typescript":
        return [_node(), str(_compiled(snippet, folder))]
    # Cargo compiles it, and a README shows just that.
    assert snippet == (ROOT / "clients/rust/examples/snippet.rs").read_text("utf-8")
    return list(require_built("rust", rust_program("snippet")).command)


def _compiled(snippet: str, folder: Path) -> Path:
    """A project of somebody else's, who has installed the client."""
    installed = folder / "node_modules/@lanspread/client"
    installed.parent.mkdir(parents=True)
    installed.symlink_to(_TYPESCRIPT, target_is_directory=True)
    (folder / "package.json").write_text('{"type": "module"}')
    source = folder / "snippet.ts"
    source.write_text(snippet)
    compiler = _TYPESCRIPT / "node_modules/typescript/bin/tsc"
    types = _TYPESCRIPT / "node_modules/@types"
    options = ["--module", "nodenext", "--target", "es2022", "--strict", "--skipLibCheck"]
    ended = subprocess.run(
        [_node(), compiler, *options, "--typeRoots", types, "--types", "node", source],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    assert ended.returncode == 0, ended.stdout
    return folder / "snippet.js"


def _node() -> str:
    return require_built("typescript", client_program("typescript")).command[0]


def _environment(folder: Path) -> dict[str, str]:
    """The program is in the PATH, and nothing leaves this machine."""
    return os.environ | {
        "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
        "LANSPREAD_BIND": "127.0.0.1",
        "LANSPREAD_PORT": "0",
        "LANSPREAD_MDNS": "no",
        # Not what the user's own configuration says.
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
