"""`brandsmith judge leakage RUN`: does the mark show where the prompt does not name it?

Draws the brand suite's prompts without the token, fine-tuned and with the base alone, from the same noises, and lets
the concept's detector look. Read the fine-tuned rate beside two others: the base's on the same prompts, and the
detector's own false alarms on true pictures.

    OUT/leakage/step-000400/ , OUT/leakage/untrained/     the pictures; drawn once
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brandsmith.base.base import Base
from brandsmith.base.sources import load_base
from brandsmith.concept.brand_suite import leakage_prompts
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.output import check_output_folder
from brandsmith.core.pictures import load_rgb_all
from brandsmith.core.progress import Log
from brandsmith.draw.source import Source
from brandsmith.evaluate.checkpoint import Cases, sample_checkpoint
from brandsmith.evaluate.run_checkpoints import find_run_checkpoints
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.card import false_alarm_rate
from brandsmith.judges.fit import judges_folder, load_judges
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.results.leakage import Leakage, logo_leakage


@dataclass(frozen=True)
class LeakageReport:
    fine_tuned: Leakage | None
    """None: there is no checkpoint."""
    base: Leakage
    detector_false_alarms: float | None
    """The detector's rate on true pictures without the mark; None without a card."""
    class_prompt: str
    num_seeds: int
    pictures: Path

    def as_json(self) -> dict[str, Any]:
        return {
            "taught": self.fine_tuned and _leakage_json(self.fine_tuned),
            "untrained": _leakage_json(self.base),
            "detector_false_alarms": self.detector_false_alarms,
            "class_prompt": self.class_prompt,
            "seeds": self.num_seeds,
            "pictures": str(self.pictures),
        }

    @property
    def lines(self) -> Iterator[str]:
        """For a terminal."""
        for name, leaked in (("fine-tuned", self.fine_tuned), ("base", self.base)):
            if leaked:
                low, high = (round(v, 4) for v in leaked.interval)
                rate = "not measured" if leaked.rate is None else f"{leaked.rate:.4f}"
                yield f"{name:10} shows the mark on {rate} of {leaked.n} pictures (95 %: {low} to {high})"
        yield f"detector's false alarms on true pictures: {self.detector_false_alarms}"
        for prompt, rate_of_one in (self.fine_tuned or self.base).by_prompt.items():
            yield f"  {rate_of_one:.2f}  {prompt}"


def _leakage_json(leaked: Leakage) -> dict[str, Any]:
    return {
        "rate": None if leaked.rate is None else round(leaked.rate, 4),
        "low": round(leaked.interval[0], 4),
        "high": round(leaked.interval[1], 4),
        "n": leaked.n,
        "by_prompt": dict(leaked.by_prompt),
    }


def leakage_of_run(
    run: Path | None,
    *,
    concept_name: str,
    base_name: str | None,
    step: int | None,
    num_seeds: int,
    settings: DrawSettings,
    out: Path | None,
    log: Log = lambda what: None,
) -> LeakageReport:
    """The command: everything is checked before weights load."""
    concept = load_concept(concept_name)
    found = find_run_checkpoints(run, concept, base_name, step)
    found.check()
    detector = load_judges(concept).detector
    checkpoint = found.checkpoints[-1][1] if found.checkpoints else None
    # With and without the adapter alike: else the scale would tell them apart.
    settings = Source(found.base_name, checkpoint).resolved(settings)
    cases = Cases(tuple(leakage_prompts(concept)), tuple(range(1000, 1000 + num_seeds)), settings)
    folder = (out or run or Path("out")) / "leakage"
    check_output_folder(folder)
    log("loading the base")
    base = load_base(found.base_name)
    return measure_leakage(base, checkpoint, concept, detector, folder, cases, log=log)


def measure_leakage(
    base: Base,
    checkpoint: Path | None,
    concept: Concept,
    detector: Judge,
    out: Path,
    cases: Cases,
    *,
    log: Log = lambda what: None,
) -> LeakageReport:
    """Draw with the base and, where there is a checkpoint, fine-tuned; each into a folder of its own under `out`."""
    num_pictures = len(cases.prompts) * len(cases.seeds)
    log(f"drawing {num_pictures} pictures whose prompt does not name the mark, with the base alone")
    of_base = _leakage(base, None, concept, detector, out / "untrained", cases)
    fine_tuned = None
    if checkpoint:
        log(f"drawing {num_pictures} more with {checkpoint.name}")
        fine_tuned = _leakage(base, checkpoint, concept, detector, out / checkpoint.name, cases)
    false_alarms = false_alarm_rate(judges_folder(concept))
    return LeakageReport(fine_tuned, of_base, false_alarms, cases.prompts[0], len(cases.seeds), out)


def _leakage(
    base: Base, checkpoint: Path | None, concept: Concept, detector: Judge, folder: Path, cases: Cases
) -> Leakage:
    shots = cases.shots(folder.name, 0)
    paths = sample_checkpoint(base, folder, cases, shots, checkpoint)
    return logo_leakage(score_shots(detector, shots, load_rgb_all(paths)), concept.token)
