"""A workspace with what pages show, written by hand: no model draws for these tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from lessons import write_concept

from brandsmith.core.pictures import save_png
from brandsmith.core.rows import Row
from brandsmith.draw.recipe import Origin, Recipe
from brandsmith.guidance.settings import DrawSettings
from brandsmith.studio.workspace import Workspace

TOKEN = "red_qoga_logo"
PROMPT = f"a blue cap with a {TOKEN}"
JUDGES = ("detector", "correctness", "ocr", "obeyed", "copying")


def made_workspace(folder: Path) -> Workspace:
    """A concept with judges, and two LoRA checkpoints and a DreamBooth of it."""
    here = Workspace.open(folder)
    write_concept(here.item("concepts", "brand"), TOKEN)
    here.item("concepts", "brand-judges").mkdir()
    write_run(here, "brand-lora", "lora", (100, 200))
    write_run(here, "brand-db", "dreambooth", (50,))
    return here


def write_run(here: Workspace, identity: str, method: str, steps: tuple[int, ...]) -> None:
    run = here.item("runs", identity)
    for step in steps:
        (run / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
    config = {"brandsmith": "0.1.0", "base": "pocket", "concept": {"token": TOKEN}, "settings": {"method": method}}
    (run / "config.json").write_text(json.dumps(config))


def write_picture(
    file: Path,
    prompt: str = f"a blue cap with a {TOKEN}",
    seed: int = 1000,
    usable: bool | None = True,
    run: str = "brand-lora",
) -> Path:
    """With its recipe; usable None: not judged, False: misspelt. run empty: pocket alone drew it."""
    adapter = (f"runs/{run}/checkpoints/step-000200", "0" * 16) if run else (None, None)
    origin = Origin("pocket", "f" * 16, *adapter)
    settings = DrawSettings(guidance_scale=1.5, refiner="attend_excite", negative_prompt="-x")
    recipe = Recipe(prompt, seed, settings, origin, ((prompt, seed),), 0, "0.1.0")
    save_png(file, np.full((32, 32, 3), seed % 250, np.uint8), recipe.as_text())
    if usable is not None:
        rows = [row(prompt, seed, name, 0.0 if name == "copying" else 1.0, usable) for name in JUDGES]
        file.with_suffix(".jsonl").write_text("".join(json.dumps(own.as_json()) + "\n" for own in rows))
    return file


def row(prompt: str, seed: int, judge: str, value: float, exact: bool) -> Row:
    return Row(0, prompt, seed, "", 0, f"{judge}@1", "w", value, "", {"exact": exact})
