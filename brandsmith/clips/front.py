"""From a command line's words to a brief."""

from __future__ import annotations

from collections.abc import Sequence

from brandsmith.base.video.registry import is_video
from brandsmith.clips.brief import ClipChoice
from brandsmith.clips.film import KINDS
from brandsmith.clips.plan import ClipBrief
from brandsmith.clips.video import VideoSource
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig, InvalidInput, unknown_name
from brandsmith.draw.choice import ModelChoice, SeedsChoice
from brandsmith.draw.source import Source
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
    return ClipBrief(tuple(prompts), tuple(numbers), _source(model, choice), settings, choice, own, signing)


def _source(model: ModelChoice, choice: ClipChoice) -> Source | VideoSource:
    """Raises InvalidConfig for a run on a video model."""
    if not is_video(model.base):
        return model.find()
    if model.run or model.step is not None:
        raise InvalidConfig(
            f"base '{model.base}' is a video model, and no run of Brandsmith is for one",
            hint="leave out --run and --step; a LoRA of another trainer goes on it with --lora",
        )
    return VideoSource(str(model.base), choice.lora)
