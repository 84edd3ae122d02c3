"""README's table of the demo and its time to quality: n and an interval beside every figure, and the same in docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def demo_table() -> list[dict[str, str]]:
    """README's first table, a record of each line."""
    lines = [line for line in text_of("README.md").splitlines() if line.startswith("|")]
    names, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]


@pytest.mark.parametrize(
    ("rate", "interval"), [("average(ocr, yolo)", "kpi_interval"), ("usable_rate", "usable_interval")]
)
def test_every_rate_has_its_number_of_pictures_and_an_interval_round_it(rate, interval):
    table = demo_table()
    assert [row["method"] for row in table][-1] == "untrained base" and len(table) >= 4
    for row in table:
        low, high = map(float, row[interval].split(" to "))
        assert int(row["n"]) >= 60 and low - 0.005 <= float(row[rate]) <= high + 0.005, row


def test_seconds_to_kpi_are_said_in_the_readme_as_they_were_measured():
    seconds = r"DreamBooth's KPI .*?is 0\.7 after (\d+) seconds of training.*?LoRA's after (\d+)"
    found = [re.search(seconds, " ".join(text_of(page).split())) for page in ("README.md", "docs/usable.md")]
    assert all(found) and found[0].groups() == found[1].groups()
    assert "benchmark usable" in text_of("README.md") and "seconds_to_kpi" in text_of("docs/usable.md")
