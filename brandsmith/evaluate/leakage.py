"""`brandsmith judge leakage RUN`: does the mark come where nobody asked for it?

Draws the brand suite's prompts without the token, with the taught checkpoint and with the untrained base, from the same
noises, and lets the concept's detector look. The taught rate means something beside two others: the untrained base's on
the same prompts, and the detector's own false alarms on true pictures.

    OUT/leakage/step-000400/ , OUT/leakage/untrained/     the pictures; drawn once
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brandsmith.base.base import Base, load_base, resolve_base
from brandsmith.concept.brand_suite import leakage_prompts
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.rows import Row
from brandsmith.evaluate.checkpoint import Cases, load_pictures, sample_checkpoint
from brandsmith.evaluate.run_checkpoints import find_taught
from brandsmith.judges.fit import judges_folder, load_judges
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.results.leakage import Leakage, logo_leakage

Say = Callable[[str], None]


def leakage_of_run(
    run: Path | None,
    *,
    concept_name: str,
    base_name: str | None,
    step: int | None,
    num_seeds: int,
    num_steps: int,
    guidance_scale: float,
    out: Path | None,
    say: Say = lambda what: None,
) -> dict[str, Any]:
    """The command: everything is checked before weights load."""
    concept = load_concept(concept_name)
    taught = find_taught(run, concept, base_name, step)
    resolve_base(taught.base_name)
    detector = load_judges(concept)[0]
    cases = Cases(
        tuple(leakage_prompts(concept)),
        tuple(range(1000, 1000 + num_seeds)),
        num_steps=num_steps,
        guidance_scale=guidance_scale,
    )
    checkpoint = taught.checkpoints[-1][1] if taught.checkpoints else None
    say("loading the base")
    return measure_leakage(
        load_base(taught.base_name), checkpoint, concept, detector, out or run or Path("out"), cases, say=say
    )


def measure_leakage(
    base: Base,
    checkpoint: Path | None,
    concept: Concept,
    detector: Judge,
    out: Path,
    cases: Cases,
    *,
    say: Say = lambda what: None,
) -> dict[str, Any]:
    """`taught` (None without a checkpoint) and `untrained`, with Wilson's intervals, and the detector's false alarms
    from its card.
    """
    num_pictures = len(cases.prompts) * len(cases.seeds)
    say(f"drawing {num_pictures} pictures that never ask for the mark, with the untrained base")
    untrained = _leakage(base, None, concept, detector, out / "leakage" / "untrained", cases)
    taught = None
    if checkpoint:
        say(f"drawing {num_pictures} more with {checkpoint.name}")
        taught = _leakage(base, checkpoint, concept, detector, out / "leakage" / checkpoint.name, cases)
    return {
        "taught": taught and _shown(taught),
        "untrained": _shown(untrained),
        "detector_false_alarms": false_alarms(concept),
        "class_prompt": cases.prompts[0],
        "seeds": len(cases.seeds),
        "pictures": str(out / "leakage"),
    }


def _leakage(
    base: Base, checkpoint: Path | None, concept: Concept, detector: Judge, folder: Path, cases: Cases
) -> Leakage:
    shots = cases.shots(folder.name, 0)
    paths = sample_checkpoint(base, folder, cases, shots, checkpoint)
    rows: list[Row] = score_shots(detector, shots, load_pictures(paths))
    return logo_leakage(rows, concept.token)


def _shown(leaked: Leakage) -> dict[str, Any]:
    return {
        "rate": None if leaked.rate is None else round(leaked.rate, 4),
        "low": round(leaked.interval[0], 4),
        "high": round(leaked.interval[1], 4),
        "n": leaked.n,
        "by_prompt": dict(leaked.by_prompt),
    }


def false_alarms(concept: Concept) -> float | None:
    """The detector's rate on true pictures without the mark, as its card says; None without a card."""
    card = judges_folder(concept) / "card.json"
    seen = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    return seen.get("detector", {}).get("validation", {}).get("false_alarm_rate")
