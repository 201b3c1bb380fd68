"""docs/errors.md is about every reason, code and warning that the code has, and about no other."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lanspread_peer.control.status import OTHER_REASONS, STATUS_CODES

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"


@pytest.fixture(scope="module")
def page() -> Iterator[dict[str, Any]]:
    """The names in scripts/errors_page.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield runpy.run_path(str(SCRIPTS / "errors_page.py"))
    for name in ("reasons", "reasons_texts"):
        sys.modules.pop(name, None)


def test_it_is_fresh_and_total(page: dict[str, Any]) -> None:
    assert list(page["gaps"]()) == []
    assert (ROOT / "docs" / "errors.md").read_text("utf-8") == page["made"](), "run `make errors`"


def test_it_has_every_reason_with_its_code(page: dict[str, Any]) -> None:
    text = page["made"]()
    rows = [(cls.reason, code) for cls, code in STATUS_CODES.items()] + list(OTHER_REASONS.items())
    for reason, code in rows:
        assert f"| `{reason}` | `{code.name}` |" in text
    assert "`needed`" in text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('emit(Warned("NEW_CODE", "text"))', "WARNINGS has nothing about NEW_CODE"),
        ('warnings.warn("NEW_CODE", "key")', "WARNINGS has nothing about NEW_CODE"),
        ('raise errors.DownloadFailed("NEW_CODE")', "DOWNLOAD_FAILURES has nothing about NEW_CODE"),
    ],
)
def test_a_new_code_of_the_sidecar_is_missed(
    page: dict[str, Any], tmp_path: Path, line: str, told: str
) -> None:
    (tmp_path / "new.py").write_text(f"{line}\n")
    assert any(told in gap for gap in page["gaps"](sidecar=tmp_path))


def test_a_new_reason_of_the_clients_is_missed(page: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text('NEW = "NEW_REASON"\nraise LanspreadError(NEW, "text")\n')
    told = "CLIENT_REASONS has nothing about NEW_REASON"
    assert any(told in gap for gap in page["gaps"](client=tmp_path))


def test_a_code_that_is_computed_is_not_passed_over(page: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("emit(Warned(make_code(), 'text'))\n")
    with pytest.raises(SystemExit, match="make_code"):
        list(page["gaps"](sidecar=tmp_path))


def test_a_text_about_what_is_gone_is_told(page: dict[str, Any], tmp_path: Path) -> None:
    assert any(
        "tells of MDNS_TROUBLE, which nothing says" in gap for gap in page["gaps"](sidecar=tmp_path)
    )
