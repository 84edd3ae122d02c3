"""From a command line's words to a brief."""

from __future__ import annotations

from collections.abc import Sequence

from brandsmith.clips.brief import ClipChoice
from brandsmith.clips.command import ClipBrief
from brandsmith.clips.film import KINDS
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig, InvalidInput, unknown_name
from brandsmith.draw.choice import ModelChoice, SeedsChoice
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.certificate import Signing


def read_brief(
    prompts: Sequence[str],
    seeds: SeedsChoice,
    model: ModelChoice,
    settings: DrawSettings,
    choice: ClipChoice,
    concept: str | None,
    signing: Signing,
) -> ClipBrief:
    """Raises InvalidInput, InvalidConfig or MissingResource."""
    if not prompts:
        raise InvalidInput("no prompt is given", hint='such as "a blue red_qoga_logo cap", or --again FILE')
    if choice.kind is not None and choice.kind not in KINDS:
        raise unknown_name("format of clips", choice.kind, KINDS)
    if len(set(prompts)) < len(prompts):
        raise InvalidConfig("a prompt is given twice", hint="for more clips of it: --seeds 2")
    numbers = range(seeds.first, seeds.first + (seeds.seeds or 1))
    own = load_concept(concept) if concept else None
    return ClipBrief(tuple(prompts), tuple(numbers), model.find(), settings, choice, own, signing)
