"""The bars of editing, from rows."""

from __future__ import annotations

from brandsmith.benchmark.create_edit import EditRow, edit_bars


def row(kind: str, number: int, seed: int, passed: float | None = None, diff: int = 0, seam: float = 2.0) -> EditRow:
    return EditRow(
        kind=kind,
        number=number,
        seed=seed,
        prompt="a red bowl",
        max_diff=diff,
        seam=seam,
        seam_before=1.0,
        passed=passed,
    )


def test_bars_follow_from_rows():
    rows = [row("exchange", 0, 1, 1.0, seam=4.0), row("exchange", 0, 2, 0.0), row("exchange", 1, 3, None)]
    rows += [row("plain", n, s, 1.0) for n, s in ((0, 1), (0, 2), (1, 3), (1, 4))]
    rows += [row("wide", 0, 1), row("leaderboard", 0, 1, diff=3)]
    rows += [row("taught", 0, 1, 1.0), row("taught", 0, 2, None), row("taught_plain", 0, 1, 1.0)]
    bars = {bar.name: bar for bar in edit_bars(rows)}
    assert bars["inpaint_unmasked_max_diff"].value == 0 and bars["inpaint_unmasked_max_diff"].passed
    assert bars["outpaint_kept_max_diff"].value == 3 and not bars["outpaint_kept_max_diff"].passed
    assert round(bars["inpaint_obeyed"].value, 3) == 0.333 and bars["inpaint_obeyed"].n == 3
    assert bars["inpaint_obeyed_best_of_3"].value == 0.5 and bars["inpaint_obeyed_best_of_3"].n == 2
    assert bars["inpaint_taught"].value == 0.5 and not bars["inpaint_taught"].passed
    assert bars["inpaint_taught_best_of_3"].value == 1.0 and "unsure of 1" in bars["inpaint_taught"].note
    assert bars["inpaint_seam"].value == 2.0 and bars["outpaint_seam"].value == 1.0


def test_nothing_measured_passes_nothing():
    assert not any(bar.passed for bar in edit_bars([]))
