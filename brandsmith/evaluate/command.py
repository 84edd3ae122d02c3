"""`brandsmith judge …` as functions, and `brandsmith.judge` for Python: a concept's name in, figures and lines out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from brandsmith.concept.brand_suite import SuitePrompt, brand_suite
from brandsmith.concept.concept import load_concept
from brandsmith.evaluate.album_scores import judge_all
from brandsmith.evaluate.album_summary import AlbumSummary
from brandsmith.judges.check import Checked, check_judges
from brandsmith.judges.fit import fit_concept, load_judges

VALIDATION = ("recall", "ap50", "false_alarm_rate", "mean_iou")


def judge(
    pictures: str | Path,
    *,
    concept: str = "demo",
    base: str | None = None,
    step: int | None = None,
    detections: Path | None = None,
    weights: Path | None = None,
    check: bool = True,
    floor: bool = True,
) -> list[AlbumSummary]:
    """Score the pictures of a folder, or of a run, with every judge of a concept: one summary per checkpoint or folder.

    base: whose classifier reads the prompts; None is the base that the pictures name, else pocket. step: only this
    checkpoint of a run. detections: another detector's results, JSON lines. weights: where sealed weights are. check:
    first run the judges on known-good and known-bad pictures. floor: also draw the prompts with the base alone, for
    the lower end of likeness. Raises MissingResource without pictures or judges, JudgeUnfit before anything is scored.
    """
    return judge_all(
        Path(pictures),
        concept_name=concept,
        base_name=base,
        step=step,
        detections=detections,
        weights=weights,
        check=check,
        floor=floor,
    )


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
