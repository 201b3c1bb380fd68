"""The chart is a picture of the runs: right lengths, fastest first, names escaped."""

from typing import Any
from xml.etree import ElementTree

import pytest

from bench.chart import chart

SVG = "{http://www.w3.org/2000/svg}"


def document(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"runs": runs, "date": "2026-11-23", "machine": {"cpu": "EPYC <2>"}}


def run(name: str, low: float, median: float, high: float) -> dict[str, Any]:
    return {"name": name, "unit": "MiB/s", "low": low, "median": median, "high": high}


def test_bars_are_as_long_as_the_medians_and_the_fastest_comes_first() -> None:
    drawn = chart(document(run("aria2", 90, 100, 110), run("lanspread", 300, 400, 500)))
    bars = ElementTree.fromstring(drawn).findall(f"{SVG}rect")
    assert [bar.get("class") for bar in bars] == ["us", "other"]
    ours, theirs = (float(bar.get("width", "0")) for bar in bars)
    assert ours / theirs == pytest.approx(4.0, rel=0.01)


def test_nothing_reaches_beyond_the_picture() -> None:
    root = ElementTree.fromstring(chart(document(run("lanspread", 1, 1, 1000), run("a", 1, 2, 3))))
    ends = [float(path.get("d", "").partition("H")[2]) for path in root.findall(f"{SVG}path")]
    assert max(ends) < float(root.get("width", "0"))


def test_names_cannot_break_the_picture() -> None:
    root = ElementTree.fromstring(chart(document(run("a<b>&", 1, 2, 3))))
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert "a<b>&" in texts
    assert any("EPYC <2>" in (text or "") for text in texts)


def test_a_chart_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="runs"):
        chart(document())
