"""Create and Compare in a real browser: what is painted or voted by keyboard alone arrives."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from studio.browser import Served, chromium, page_of, serving  # noqa: F401
from studio.every_page import PICTURE, furnish_everything
from studio.made import TOKEN

from brandsmith.results.votes import read_votes
from brandsmith.studio.jobs import queue


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    furnish_everything(folder)
    with serving(folder) as served:
        yield served


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
