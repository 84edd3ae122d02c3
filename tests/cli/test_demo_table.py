"""The demo's table: KPI and usable rate side by side, each with its interval."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from brandsmith.core.rows import Row
from brandsmith.core.table import as_rich, shown
from brandsmith.demo import Candidate, _for_a_terminal, intervals


def rows_of(scores, prompts=5, seeds=4):
    """`scores(case, seed)` -> (confidence, ocr, exact)."""
    rows = []
    for case in range(prompts):
        for seed in range(seeds):
            confidence, similarity, exact = scores(case, seed)
            for judge, value, details in (("detector@1", confidence, {}), ("ocr@2", similarity, {"exact": exact})):
                rows.append(
                    Row(
                        case,
                        f"prompt {case}",
                        seed,
                        "run",
                        100,
                        judge,
                        "hash",
                        value,
                        "" if value is not None else "torn",
                        details,
                    )
                )
    return rows


def test_intervals_are_over_prompts_not_pictures():
    alike = rows_of(lambda case, seed: (0.5, 0.5, False))
    apart = rows_of(lambda case, seed: (float(case % 2), float(case % 2), bool(case % 2)))
    assert intervals(alike) == {"kpi_interval": "0.50 to 0.50", "usable_interval": "0.00 to 0.16"}
    found = intervals(apart)  # 20 pictures that are five, less one for their mean: Wilson at n = 4
    assert found["kpi_interval"] == "0.00 to 1.00" and found["usable_interval"] == "0.10 to 0.80"


def test_what_was_not_measured_has_no_interval():
    nothing = Candidate("lora", "none", rows_of(lambda case, seed: (None, 0.5, True)), Path("nowhere")).line()
    assert (
        nothing["kpi_interval"] is None and nothing["usable_interval"] is None and nothing["average(ocr, yolo)"] is None
    )
    assert _for_a_terminal(nothing)["usable"].startswith("not measured")


def test_a_line_keeps_the_thesis_columns_first():
    line = Candidate("lora", "lr 1", rows_of(lambda case, seed: (1.0, 1.0, True)), Path("nowhere")).line()
    assert list(line)[:5] == ["method", "parameters", "average(ocr, yolo)", "mean_confidence_score", "mean_ocr_score"]
    assert line["usable_rate"] == 1.0 and line["n"] == 20 and line["kpi_interval"] == "1.00 to 1.00"
    assert line["exact_match_rate"] == 1.0
    narrow = _for_a_terminal(line)
    assert narrow["KPI"] == "1.0000\n1.00-1.00" and narrow["method"] == "lora"


def test_the_terminal_table_breaks_no_word_in_80_columns():
    scored = Candidate("", "", rows_of(lambda case, seed: (0.8594, 0.94, bool(case))), Path("nowhere")).line()
    kinds = (
        ("dreambooth", "lr 0.0015 (step 600)"),
        ("textual_inversion", "lr 0.001, vectors 6 (step 240)"),
        ("lora", "lr 0.003, rank 32 (step 700)"),
        ("untrained base", "none"),
    )
    lines = [_for_a_terminal(scored | {"method": method, "parameters": parameters}) for method, parameters in kinds]
    console = Console(width=80, file=StringIO(), force_terminal=False)
    console.print(as_rich(lines, "Brandsmith demo", "KPI: average(ocr, yolo)"))
    printed = console.file.getvalue()
    assert max(map(len, printed.splitlines())) <= 80
    words = {word for line in lines for cell in line.values() for word in shown(cell).split()}
    broken = words - set(printed.split())
    assert len(words) > 20 and not broken, f"broken: {sorted(broken)}"
