"""The command line: measure rows, keep the results, and write what is shown of them."""

import json
import shlex
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import click

from bench import machine
from bench.kept import keep as keep_result
from bench.options import Options
from bench.result import Result, not_measured
from bench.rows.registry import ROWS, Row

TMPFS = Path("/dev/shm")


@click.command()
@click.argument("row", type=click.Choice([*ROWS, "all"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines to read.")
@click.option("--quick", is_flag=True, help="Measure less, to see that it works.")
@click.option("--size-mib", type=click.IntRange(1), help="Size of the game, where a row has one.")
@click.option("--rounds", type=click.IntRange(1), help="How often each is measured.")
@click.option("--keep", is_flag=True, help="Keep the results in docs/performance.json.")
def main(
    row: str, *, as_json: bool, quick: bool, size_mib: int | None, rounds: int | None, keep: bool
) -> None:
    """Measure one row of the table of speed, or `all` of them."""
    chosen = ROWS if row == "all" else {row: ROWS[row]}
    results: dict[str, dict[str, Any]] = {}
    for name, measure in chosen.items():
        with tempfile.TemporaryDirectory(prefix="lanspread-bench-", dir=_fast_folder()) as folder:
            options = Options(Path(folder), quick, size_mib, rounds)
            results[name] = _documented(_measured(name, measure, options))
        if not as_json:
            _show(results[name])
        if keep:
            keep_result(results[name])
    if as_json:
        print(json.dumps(results if row == "all" else results[row], indent=2))


def _measured(name: str, measure: Row, options: Options) -> Result:
    try:
        return measure(options)
    except (OSError, RuntimeError) as error:
        # One row that cannot be measured here must not cost the others.
        return not_measured(name, f"{type(error).__name__}: {error}")


def _documented(result: Result) -> dict[str, Any]:
    command = shlex.join(["python", "-m", "bench", *_arguments_of_one_row(result.row)])
    return {
        **result.as_json(),
        "date": date.today().isoformat(),  # noqa: DTZ011 - the day where it was measured
        "machine": machine.describe(),
        "command": command,
    }


def _arguments_of_one_row(row: str) -> list[str]:
    options = [word for word in sys.argv[1:] if word not in (*ROWS, "all", "--keep", "--json")]
    return [row, "--json", *options]


def _fast_folder() -> Path | None:
    """On tmpfs, so that no disk is measured; where there is none, wherever temporary files go."""
    return TMPFS if TMPFS.is_dir() else None


def _show(document: Mapping[str, Any]) -> None:
    for run in document["runs"]:
        print(
            f"{document['row']:>14}  {run['name']}: {run['median']:g} {run['unit']}"
            f" ({run['low']:g} to {run['high']:g})"
        )
    for check in document["checks"]:
        wanted = "at least" if check["at_least"] else "at most"
        print(
            f"{document['row']:>14}  {'ok  ' if check['ok'] else 'MISS'} {check['what']}:"
            f" {check['figure']:g} {check['unit']}, {wanted} {check['target']:g}"
        )
    for what, why in document["missing"].items():
        print(f"{document['row']:>14}  not measured: {what}: {why}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
