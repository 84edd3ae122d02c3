"""`brandsmith judge fit`, `check`, `leakage`, `overfit` and `suite` as functions: a concept's name in, lines out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    card = fit_concept(load_concept(concept), out, on_step=on_step)
    return {key: card["detector"]["validation"][key] for key in VALIDATION}


def check_named(concept: str) -> list[Checked]:
    """Run a concept's judges on known-good and known-bad pictures. Raises JudgeUnfit for the first that fails."""
    loaded = load_concept(concept)
    return check_judges(loaded, load_judges(loaded))


def check_lines(results: Sequence[Checked]) -> list[str]:
    """A line per judge."""
    return [f"{checked.judge:12} good {checked.good:.3f}  bad {checked.bad:.3f}  fit" for checked in results]


def check_figures(results: Sequence[Checked]) -> dict[str, dict[str, float | int]]:
    """By judge: mean values on good and bad pictures, and how many of each."""
    return {
        c.judge: {"good": round(c.good, 4), "bad": round(c.bad, 4), "n_good": c.num_good, "n_bad": c.num_bad}
        for c in results
    }


def leakage_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The rates with their intervals, the detector's own error, and the rate of each prompt."""
    for name in ("taught", "untrained"):
        if found[name]:
            yield "{0:10} shows the mark unrequested on {rate:.4f} of {n} pictures (95 %: {low} to {high})".format(
                name, **found[name]
            )
    yield f"detector's false alarms on true pictures: {found['detector_false_alarms']}"
    for prompt, share in (found["taught"] or found["untrained"])["by_prompt"].items():
        yield f"  {share:.2f}  {prompt}"


def overfit_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A line per checkpoint, and what they mean."""
    for line in found["checkpoints"]:
        gap = line["beyond_base"] or line["gap"]
        of = "gap beyond the base's own" if line["beyond_base"] else "gap"
        yield (
            f"{line['checkpoint']:14} training {line['training_loss']:.4f}  held out {line['held_out_loss']:.4f}  "
            f"{of} {gap['value']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
        )
    yield found["reading"]


def suite_named(concept: str) -> list[SuitePrompt]:
    """The brand suite of a concept."""
    return brand_suite(load_concept(concept))


def suite_lines(suite: Sequence[SuitePrompt]) -> list[str]:
    """A line per prompt: its group, whether the mark must show, the prompt."""
    return [f"{entry.group:10} {'mark' if entry.mark else 'no mark':8} {entry.prompt}" for entry in suite]


def suite_figures(suite: Sequence[SuitePrompt]) -> dict[str, list[dict[str, Any]]]:
    """The suite for a JSON line."""
    return {"prompts": [asdict(entry) for entry in suite]}
