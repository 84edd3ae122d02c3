"""A tiny study with judges that need no weights, and a function that runs it in a process of its own."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
from rich.console import Console

from brandsmith.judges.judge import Verdict
from brandsmith.study.config import parse_study
from brandsmith.study.engine import run_study

YAML = """
name: tiny
concept: {concept}
base: {base}
training_seeds: [0, 1]
checkpoints: 2
methods:
  - method: hypernetwork
    fixed: {{steps: 4}}
    search: {{learning_rate: [1e-3, 1e-1]}}
  - method: textual_inversion
    fixed: {{steps: 4}}
    search: {{learning_rate: [1e-2, 3e-1]}}
cases:
  prompts: ["a {{token}}", "a blue sweater and a {{token}}"]
  selection_seeds: [1, 2]
  report_seeds: [3, 4]
  sampler: {{num_steps: 2, guidance_scale: 2.0}}
{more}
"""
HALVING = "halving: {rungs: [1], keep_one_in: 2}"


class ColourJudge:
    """Scores how strong one colour is: deterministic, and different for every picture."""

    version, weights_hash = "1", "none"

    def __init__(self, name: str, channel: int) -> None:
        self.name, self.channel, self.num_scored = name, channel, 0

    def score(self, pictures):
        self.num_scored += len(pictures)
        return [Verdict(round(float(np.mean(p[..., self.channel])) / 255, 6)) for p in pictures]


def colour_judges(concept) -> list[ColourJudge]:
    return [ColourJudge("detector", 0), ColourJudge("ocr", 1)]


def study_text(concept: Path, base: Path, more: str = HALVING) -> str:
    return YAML.format(concept=concept, base=base, more=more)


def run_tiny(concept: Path, base: Path, out: Path) -> None:
    """The whole study, or what is left of it: a process of its own, that tests may kill."""
    text = study_text(concept, base)
    run_study(parse_study(text), text, out, console=Console(file=StringIO()), judges=colour_judges)
