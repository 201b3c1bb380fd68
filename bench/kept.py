"""The results that are kept in the repository, one of each row."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
_RESULTS = DOCS / "performance.json"


def kept_results() -> dict[str, dict[str, Any]]:
    """By row; empty when nothing was kept yet."""
    if not _RESULTS.exists():
        return {}
    results: dict[str, dict[str, Any]] = json.loads(_RESULTS.read_text("utf-8"))
    return results


def keep(document: Mapping[str, Any]) -> None:
    """Keep this result instead of the one before."""
    results = kept_results() | {document["row"]: dict(document)}
    _RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
