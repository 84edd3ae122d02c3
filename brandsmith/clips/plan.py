"""What clips are asked for, checked before weights load: every fault at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from brandsmith.base.licence_places import check_place
from brandsmith.base.motion_files import motion_folder
from brandsmith.base.sources import resolve_base
from brandsmith.clips.brief import ClipChoice, all_at_once, choice_faults, tried
from brandsmith.clips.film import chosen_kind
from brandsmith.clips.layers import Drawing, drawing_clips, layer_moving
from brandsmith.clips.recipe import Moving
from brandsmith.clips.video import VideoDrawing, VideoSource, drawing_video, video_moving, video_settings
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import BrandsmithError
from brandsmith.create.pages_out import signing_json
from brandsmith.draw.leaving import Leaving, load_leaving
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.evaluate.chain import judges_for
from brandsmith.guidance.clip import check_clip_settings
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.signature import check_signing


@dataclass(frozen=True)
class ClipBrief:
    """What was asked for; `concept`: by whose judges it is judged, None for not at all."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    source: Source | VideoSource
    settings: DrawSettings
    choice: ClipChoice = field(default_factory=ClipChoice)
    concept: Concept | None = None
    signing: Signing = field(default_factory=Signing)


@dataclass(frozen=True)
class ClipPlan:
    """A brief that was checked: settings resolved, everything named."""

    brief: ClipBrief
    settings: DrawSettings
    moving: Moving
    kind: str
    judges: Mapping[str, Judge]
    leaving: Leaving

    def names(self) -> list[str]:
        return [clip_name(case, seed) for case in range(len(self.brief.prompts)) for seed in self.brief.seeds]

    def as_json(self) -> dict[str, Any]:
        brief = self.brief
        return {
            "prompts": list(brief.prompts),
            "seeds": list(brief.seeds),
            "base": brief.source.base,
            "adapter": brief.source.origin().adapter_hash,
            "settings": self.settings.model_dump(mode="json"),
            "clip": self.moving.as_json() | {"kind": self.kind},
            "concept": brief.concept.token if brief.concept else None,
            "signing": signing_json(brief.signing),
        }

    @contextmanager
    def drawing(self) -> Iterator[Drawing | VideoDrawing]:
        """What draws the plan's clips, loaded inside the `with`."""
        source = self.brief.source
        if isinstance(source, VideoSource):
            with drawing_video(source) as video:
                yield video
        else:
            with drawing_clips(source, motion_folder(self.brief.choice.motion, source.base)) as layers:
                yield layers


def clip_name(case: int, seed: int) -> str:
    return f"clip-{case}_seed-{seed}"


def plan_clips(brief: ClipBrief) -> ClipPlan:
    """Everything that can be wrong, at once, before weights load. Raises the first fault's kind of error."""
    faults, choice, source = choice_faults(brief.choice), brief.choice, brief.source
    folder = tried(faults, lambda: resolve_base(source.base))
    if folder:
        tried(faults, lambda: check_place(source.base, folder))
    settings = tried(faults, lambda: _checked_settings(brief))
    tried(faults, lambda: check_clip_settings(brief.settings))
    moving = _checked_moving(faults, brief)
    judges = tried(faults, lambda: judges_for(brief.concept, folder) if brief.concept else {})
    leaving = tried(faults, lambda: _checked_leaving(brief.signing))
    all_at_once(faults)
    assert settings and moving and leaving and judges is not None
    return ClipPlan(brief, settings, moving, chosen_kind(choice.kind), judges, leaving)


def _checked_settings(brief: ClipBrief) -> DrawSettings:
    if isinstance(brief.source, VideoSource):
        return video_settings(brief.source, brief.settings)
    return checked_settings(list(brief.prompts), brief.settings, brief.source)


def _checked_moving(faults: list[BrandsmithError], brief: ClipBrief) -> Moving | None:
    source = brief.source
    if not isinstance(source, VideoSource):
        return layer_moving(faults, source, brief.choice)
    tried(faults, lambda: source.lora_layers)
    return tried(faults, lambda: video_moving(faults, source, brief.choice))


def _checked_leaving(signing: Signing) -> Leaving:
    check_signing(signing)
    return load_leaving(signing)
