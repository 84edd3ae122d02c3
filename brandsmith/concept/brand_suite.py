"""The brand suite: 31 prompts of a brand team's daily work, the same for every concept, each saying whether the mark
must show.

Products, garments, signs, people, packaging, the mark alone, and prompts that never ask for the mark (the control for
leakage). They are written in the embedded base's words, so that what they ask for can be judged on it; other bases know
those words too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brandsmith.concept.concept import Concept
from brandsmith.core.text import read_text
from brandsmith.core.yaml_lines import read_yaml

SUITE_FILE = Path(__file__).resolve().parent.parent / "data" / "brand_suite.yaml"


@dataclass(frozen=True)
class SuitePrompt:
    """`prompt` has the concept's token and class word filled in; `mark` says whether the mark must show."""

    group: str
    prompt: str
    mark: bool


def brand_suite(concept: Concept) -> list[SuitePrompt]:
    """The whole suite for one concept, in the file's order."""
    entries = read_yaml(read_text(SUITE_FILE)).value
    return [SuitePrompt(e["group"], _filled(e["prompt"], concept), "{token}" in e["prompt"]) for e in entries]


def leakage_prompts(concept: Concept) -> list[str]:
    """The suite's prompts that never ask for the mark; the first is the bare class prompt."""
    return [entry.prompt for entry in brand_suite(concept) if not entry.mark]


def _filled(prompt: str, concept: Concept) -> str:
    return prompt.replace("{token}", concept.token).replace("{class_word}", concept.config.class_word)
