"""`brandsmith explain`: one picture, and how it came about."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from brandsmith.base.attention import check_reads_text
from brandsmith.base.sources import family_of, load_scheduler, resolve_base
from brandsmith.core.output import check_output_folder, foreign_folder
from brandsmith.draw.long_prompts import warn_of_long_prompts
from brandsmith.draw.prompts import ReadPrompt, as_read
from brandsmith.draw.source import Source
from brandsmith.draw.unread_syntax import warn_of_unread_syntax
from brandsmith.guidance.explain import EXPLANATION, explain
from brandsmith.guidance.sampling import check_drawable
from brandsmith.guidance.schedulers import check_base_scheduler
from brandsmith.guidance.settings import DrawSettings


def check_explanation_folder(folder: Path) -> None:
    """Raise InvalidInput when `folder` holds pictures and is no explanation of ours, or cannot be written to."""
    if not (folder / EXPLANATION).is_file() and any(folder.glob("*.png")):
        raise foreign_folder(folder, "an explanation", "--out")
    check_output_folder(folder)


def explain_to_folder(
    prompt: str | ReadPrompt,
    seed: int,
    settings: DrawSettings,
    source: Source,
    folder: Path,
    *,
    frames: bool = False,
) -> list[str]:
    """Draw one picture and write its explanation into `folder`; returns lines to print.

    The prompt is read as `read_prompts` does, unless it is read already. frames: also every step as a picture.
    """
    read = as_read([prompt], source)[0]
    prompt = read.english
    settings = source.resolved(settings)
    family = family_of(source.base)
    check_drawable([prompt], settings, family)
    declared = load_scheduler(resolve_base(source.base))
    check_base_scheduler(settings.scheduler, settings.num_steps, declared, family)
    warn_of_long_prompts([prompt], settings, source)
    warn_of_unread_syntax([prompt], settings)
    check_reads_text(family, "an explanation")
    check_explanation_folder(folder)
    with source.loaded() as (base, _):
        written = asdict(read.written) if read.written else None
        explanation = explain(base, prompt, seed, folder, settings, written=written, frames=frames)
    return [explanation.verdict, *(str(file) for file in sorted(explanation.files) if file.suffix == ".png")]
