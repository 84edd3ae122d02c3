"""`brandsmith judge fit`, `check` and `suite` as functions: a concept's name in, lines out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brandsmith.concept.brand_suite import SuitePrompt, brand_suite
from brandsmith.concept.concept import load_concept
from brandsmith.judges.check import Checked, check_judges
from brandsmith.judges.fit import fit_concept, load_judges

VALIDATION = ("recall", "ap50", "false_alarm_rate", "mean_iou")


def fit_named(concept: str, out: Path | None, on_step: Callable[[int, float], None]) -> dict[str, Any]:
    """Train a concept's judges; the detector's validation figures. `on_step` gets the detector's (step, loss)."""
    figures = fit_concept(load_concept(concept), out, on_step=on_step).detector.validation.as_json()
    return {key: figures[key] for key in VALIDATION}


def check_named(concept: str) -> list[Checked]:
    """Run a concept's judges on known-good and known-bad pictures. Raises JudgeUnfit for the first that fails."""
    loaded = load_concept(concept)
    return check_judges(loaded, load_judges(loaded).chain)


def check_lines(results: Sequence[Checked]) -> list[str]:
    """A line per judge."""
    return [f"{checked.judge:12} good {checked.good:.3f}  bad {checked.bad:.3f}  fit" for checked in results]


def check_figures(results: Sequence[Checked]) -> dict[str, dict[str, float]]:
    """By judge: mean values on good and bad pictures, and how many of each."""
    return {checked.judge: checked.as_json() for checked in results}


def suite_named(concept: str) -> list[SuitePrompt]:
    """The brand suite of a concept."""
    return brand_suite(load_concept(concept))


def suite_lines(suite: Sequence[SuitePrompt]) -> list[str]:
    """A line per prompt: its group, whether the mark must show, the prompt."""
    return [f"{entry.group:10} {'mark' if entry.mark else 'no mark':8} {entry.prompt}" for entry in suite]


def suite_figures(suite: Sequence[SuitePrompt]) -> dict[str, list[dict[str, Any]]]:
    """The suite for a JSON line."""
    return {"prompts": [asdict(entry) for entry in suite]}
