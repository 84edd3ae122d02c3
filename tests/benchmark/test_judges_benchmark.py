"""The judges' own benchmark: planted faults are what they say, and its figures follow from rows."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from brandsmith.benchmark.judges import FAULT_RATES, Planted, _agreement, _ranking, benchmark_judges, plant_faults
from brandsmith.concept.concept import load_concept
from brandsmith.core.rows import Row
from brandsmith.judges.labelled import load_split


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


JUDGES = [Named(name) for name in ("detector", "ocr", "correctness", "copying")]
FAULTS = ("wrong mark", "misspelt", "wrong colour", "missing", "copied")


def rows_of(number: int, fault: str) -> list[Row]:
    """What judges without error would say."""
    found = fault != "missing"
    values = {
        "detector": float(found),
        "ocr": 0.75 if fault == "misspelt" else float(found),
        "correctness": (0.0 if fault in ("wrong mark", "misspelt", "wrong colour") else 1.0) if found else None,
        "copying": float(fault == "copied"),
    }
    return [
        Row(
            0,
            "",
            number,
            "planted",
            0,
            f"{name}@1",
            "w",
            value,
            "" if value is not None else "no mark",
            {"exact": value == 1.0},
        )
        for name, value in values.items()
    ]


@pytest.mark.slow
def test_faults_are_planted_in_enough_true_pictures():
    concept = load_concept("demo")
    planted = plant_faults(concept, load_split(concept.folder, "val"))
    counts = Counter(p.fault for p in planted)
    assert len(planted) >= 400 and set(counts) == {"", *FAULTS} and min(counts.values()) >= 60
    again = plant_faults(concept, load_split(concept.folder, "val"))
    assert all((a.pixels == b.pixels).all() for a, b in zip(planted[::37], again[::37], strict=True))


def test_judges_without_error_agree_and_rank_perfectly():
    pictures = [Planted(np.zeros((8, 8, 3), np.uint8), fault) for fault in ("", *FAULTS) for _ in range(60)]
    rows = [rows_of(i, p.fault) for i, p in enumerate(pictures)]
    agreement = _agreement(JUDGES, pictures, rows)
    assert agreement["usable_agreement"] == 1.0 and agreement["usable_agreement_n"] == 360
    ranking = _ranking(JUDGES, pictures, rows)
    assert (
        ranking["usable_spearman"] == 1.0
        and ranking["kpi_spearman"] > 0.8
        and ranking["kpi_spearman_n"] == len(FAULT_RATES)
    )


def test_judges_that_see_nothing_neither_agree_nor_rank():
    pictures = [Planted(np.zeros((8, 8, 3), np.uint8), fault) for fault in ("", *FAULTS) for _ in range(60)]
    rows = [rows_of(i, "") for i in range(len(pictures))]
    assert _agreement(JUDGES, pictures, rows)["usable_agreement"] == pytest.approx(1 / 6, abs=1e-3)
    assert np.isnan(_ranking(JUDGES, pictures, rows)["usable_spearman"])


@pytest.mark.slow
def test_the_demos_figures_meet_their_bars():
    figures = benchmark_judges(load_concept("demo"), num_epochs=0)
    assert (
        figures["detector_ap50"] >= 0.95
        and figures["false_alarm_rate"] <= 0.01
        and figures["false_alarm_rate_n"] >= 300
    )
    assert (
        figures["ocr_true_score"] >= 0.97
        and figures["usable_agreement"] >= 0.95
        and figures["usable_agreement_n"] >= 400
    )
    assert figures["kpi_spearman"] >= 0.8 and figures["usable_spearman"] >= 0.8
    assert "right_wrong_auc" not in figures  # no epochs: the held-out kinds are left out
    assert {"detector", "ocr", "correctness", "copying", "background", "obeyed", "clip_pocket"} <= figures[
        "seconds_per_image_by_judge"
    ].keys()
    assert figures["seconds_per_image"] == pytest.approx(sum(figures["seconds_per_image_by_judge"].values()), abs=1e-3)
