"""The sheet of views: a row for each view, a column for each strength, and a plain sentence beside each row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brandsmith.concept.brand_kit import BrandKit
from brandsmith.create.typst_page import Typeset, families, print_copies
from brandsmith.create.view_prompts import with_article
from brandsmith.create.views import BY_WORDS, PLAIN, Attempt, ViewsTask, sentence_for

COPY_PX = 512
CELL_MM, LEFT_MM, MARGIN_MM, GAP_MM = 52.0, 62.0, 16.0, 5.0


def typeset_views(
    task: ViewsTask, attempts: Sequence[Attempt], kit: BrandKit | None, scratch: Path, token: str = ""
) -> Typeset:
    """One page as wide and high as it needs; `scratch` gets copies of what it shows. `token`: where the thing has it,
    the title says the brand's name.
    """
    names = print_copies([own.best.path for own in attempts], scratch, COPY_PX)
    source = print_copies([task.source], _made(scratch / "source"), COPY_PX) if task.source else []
    cells = [_cell(attempt, name) for attempt, name in zip(attempts, names, strict=True)]
    across = len(task.arms)
    data: dict[str, Any] = {
        "title": f"Views of {with_article(_for_people(task.thing, token, kit))}",
        "owner": kit.name if kit else "",
        "source": f"/source{source[0]}" if source else None,
        "width": 2 * MARGIN_MM + LEFT_MM + across * (CELL_MM + GAP_MM),
        "margin": MARGIN_MM,
        "cell": CELL_MM,
        "left": LEFT_MM,
        "gap": GAP_MM,
        "columns": ["by the words alone" if arm == BY_WORDS else f"strength {arm:g}" for arm in task.arms],
        "rows": [
            {
                "view": view,
                "prompt": task.prompt(view),
                "sentence": "" if view == PLAIN else sentence_for(view, attempts),
                "works": any(own.works for own in attempts if own.view == view),
                "cells": cells[row * across : (row + 1) * across],
            }
            for row, view in enumerate((PLAIN, *task.views))
        ],
        "headline_fonts": families(kit.font_file("headline") if kit else None),
        "text_fonts": families(kit.font_file("text") if kit else None),
    }
    fonts = (kit.font_file("headline"), kit.font_file("text")) if kit else ()
    return Typeset("views.typ", data, scratch, tuple(font for font in fonts if font))


def _for_people(thing: str, token: str, kit: BrandKit | None) -> str:
    return thing.replace(token, kit.name) if kit and token else thing


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _cell(attempt: Attempt, name: str) -> dict[str, Any]:
    own = attempt.measure
    numbers = ""
    if own:
        numbers = f"outline {100 * own.moved:.0f} % (seed {100 * own.noise:.0f} %)"
        if own.likeness is not None:
            numbers += f", likeness {own.likeness:.2f}"
    return {
        "file": name,
        "alt": attempt.best.prompt,
        "verdict": attempt.verdict,
        "works": attempt.works,
        "numbers": numbers,
    }
