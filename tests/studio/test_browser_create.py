"""Create, Compare and Learn in a real browser: nobody is left out, and what is painted or voted by keyboard arrives."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from studio.browser import Served, chromium, page_of, serving, shown_in, sticks_out, violations  # noqa: F401
from studio.made import TOKEN, made_workspace, write_picture

from brandsmith.core.pictures import save_png
from brandsmith.results.votes import read_votes
from brandsmith.studio.compare.grid import checked_grid, order
from brandsmith.studio.jobs import queue

PICTURE = "creations/caps/case-0_seed-1000.png"
PAGES = (
    "/create?creation=caps",
    "/creations/caps",
    "/gallery",
    f"/picture/{PICTURE}",
    f"/edit/{PICTURE}",
    "/create/ad",
    "/create/catalogue",
    "/create/board",
    "/compare",
    "/compare/compare-brand-lora",
    "/compare/compare-brand-lora/vote",
    "/learn",
    "/learn/lesson-cat",
)


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
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
    with serving(folder) as served:
        yield served


def write_lesson(folder):
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


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_nobody_is_left_out(chromium, studio: Served, width, theme):  # noqa: F811
    found: list[str] = []
    with page_of(chromium, studio, width) as page:
        for path in PAGES:
            shown_in(page, theme)
            page.goto(path, wait_until="load")
            assert page.locator("h1").count() == 1, path
            found += [f"{path} sticks out: {one}" for one in sticks_out(page, width)]
            found += [f"{path} {theme} {one}" for one in violations(page)]
    assert found == []


@pytest.mark.slow
def test_chips_mask_and_votes_by_keyboard_alone(chromium, studio: Served):  # noqa: F811
    with page_of(chromium, studio) as page:
        page.goto("/create")
        page.fill("#field-prompt", f"a blue cap with a {TOKEN}")
        page.get_by_role("button", name="cap", exact=True).press("Enter")
        assert page.input_value("#field-prompt") == f"a blue {{cap}} with a {TOKEN}"
        assert page.is_checked("[name=guidance][value=faithful]")
        page.goto(f"/edit/{PICTURE}")
        page.focus("#mask")
        for key in ("ArrowLeft", "Shift+ArrowUp", "Space"):
            page.keyboard.press(key)
        page.get_by_role("button", name="Draw this part").press("Enter")
        page.wait_for_url("**/creations/*")
        command = queue.jobs(studio.workspace)[-1].request.command
        mask = next(own for own in command if own.startswith("--mask=")).removeprefix("--mask=")
        painted = np.asarray(Image.open(studio.workspace.folder / mask)) > 127
        assert 0 < painted.mean() < 0.5 and painted[:, :16].any()
        page.goto("/compare/compare-brand-lora/vote")
        page.keyboard.press("ArrowLeft")
        page.wait_for_function("document.body.innerText.includes('1 pair is left')")
        (vote,) = read_votes(studio.workspace.item("creations", "compare-brand-lora") / "votes.jsonl")
        assert vote.choice == "left"
