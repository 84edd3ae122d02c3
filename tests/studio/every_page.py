"""A workspace with everything in it, and the address of every page that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from studies import build_study
from studio.furnished import furnish
from studio.made import TOKEN, made_workspace, write_picture

from brandsmith.core.pictures import save_png
from brandsmith.studio.compare.grid import checked_grid, order
from brandsmith.studio.workspace import Workspace

PICTURE = "creations/caps/case-0_seed-1000.png"
PAGES = (
    *("/", "/all/concepts", "/tour", "/login", "/settings", "/design", "/api/v1", "/jobs/000001", "/nowhere"),
    *("/teach", "/teach/new", "/teach/red-hugo", "/teach/red-hugo/train", "/teach/red-hugo/brand"),
    *("/teach/red-hugo/pictures/01.png", "/runs/red-hugo-lora", "/studies/example"),
    *("/create?creation=caps", "/creations/caps", "/gallery", f"/picture/{PICTURE}", f"/edit/{PICTURE}"),
    *("/create/ad", "/create/catalogue", "/create/board"),
    *("/compare", "/compare/compare-brand-lora", "/compare/compare-brand-lora/vote", "/learn", "/learn/lesson-cat"),
)
PARTS = (
    *("/home/queue", "/home/machine", "/teach/{identity}/findings", "/teach/{identity}/estimate/{number}"),
    *("/create/pictures/{identity}", "/provenance/{kind}/{identity}/{path:path}"),
)
"""What pages load into themselves."""


def furnish_everything(folder: Path) -> Workspace:
    """As `furnish` and `made_workspace`, with drawn pictures, a comparison, a lesson and a study."""
    furnish(folder)
    here = made_workspace(folder)
    for seed, usable in ((1000, True), (1001, False)):
        write_picture(here.item("creations", "caps") / f"case-0_seed-{seed}.png", seed=seed, usable=usable)
    grid = checked_grid(here, ["brand-lora@100", "brand-lora@200"], [1.0], [f"a {TOKEN} cap"], (1, 2))
    identity, _ = order(here, grid, "ada")
    for contender in grid.contenders:
        for seed in grid.seeds:
            file = here.item("creations", identity) / contender.name / f"case-0_seed-{seed}.png"
            write_picture(file, grid.prompts[0], seed, seed == 1)
    write_lesson(here.item("creations", "lesson-cat"))
    build_study(here.item("studies", "example"), side_px=48)
    return here


def write_lesson(folder: Path) -> None:
    save_png(folder / "frames" / "a.png", np.full((32, 32, 3), 90, np.uint8))
    one = {"file": "frames/a.png"}
    frames = {
        "noising": [one | {"t": t} for t in (0, 500, 999)],
        "denoising": [{"step": 1, "latents": "frames/a.png", "imagined": "frames/a.png"}],
        "attention": [{"words": "red cat", "files": ["frames/a.png"], "peaks": [0.5]}],
        "scales": [one | {"scale": scale} for scale in (0.0, 1.0, 2.5, 7.5)],
    }
    (folder / "explain.json").write_text(json.dumps({"prompt": "a red cat", "verdict": "red cat 0.50 ok"}))
    (folder / "frames.json").write_text(json.dumps(frames))
