"""Teach, a training and Home as people use them: by mouse, on a phone, and by keyboard alone."""

from __future__ import annotations

import re

import pytest
from studio.browser import Served, chromium, page_of, serving  # noqa: F401
from studio.furnished import furnish

from brandsmith.studio.boxes import labelled_boxes
from brandsmith.studio.concept_view import view_concept


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    furnish(folder)
    with serving(folder) as served:
        yield served


@pytest.mark.slow
def test_captions_boxes_and_look_by_keyboard_alone(chromium, studio: Served):  # noqa: F811
    with page_of(chromium, studio) as page:
        page.goto("/teach/red-hugo")
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Skip to the content", "the first stop"
        page.get_by_label("Caption of 01.png").fill("a red_hugo_logo on a flag")
        page.keyboard.press("Tab")
        page.locator("#note-1", has_text="Saved").wait_for()
        assert view_concept(studio.workspace, "red-hugo").pictures[0].caption == "a red_hugo_logo on a flag"
        page.goto("/teach/red-hugo/pictures/01.png")
        page.get_by_role("button", name="Add a box").press("Enter")
        box = page.get_by_role("button", name="Box of the mark 1")
        for _ in range(5):
            box.press("ArrowLeft")
            box.press("Shift+ArrowDown")
        page.get_by_role("button", name="Save and next").press("Enter")
        page.wait_for_url("**/02.png?said=saved")
        (drawn,) = labelled_boxes(studio.workspace.item("concepts", "red-hugo"), "01.png")
        assert drawn == pytest.approx((0.30, 0.35, 0.60, 0.70), abs=0.001)
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.wait_for_url("**/settings")
        page.get_by_label("Dark", exact=True).check(force=True)
        page.wait_for_url("**/settings?said=saved")
        assert page.locator("html").get_attribute("data-theme") == "dark"
        page.get_by_label("Language", exact=True).select_option("nl")
        page.locator("h1", has_text="Instellingen").wait_for()


@pytest.mark.slow
def test_goals_pictures_and_the_live_queue(chromium, studio: Served):  # noqa: F811
    with page_of(chromium, studio, 390) as page:
        page.goto("/teach/red-hugo/train")
        page.get_by_label(re.compile("^A style")).check(force=True)
        page.wait_for_url("**goal=style")
        assert page.get_by_text("A style is how everything looks").is_visible()
        page.goto("/runs/red-hugo-lora")
        link = page.locator("[data-enlarge]").first
        link.press("Enter")
        page.locator("#enlarged[open] img").wait_for()
        page.keyboard.press("Escape")
        focused = page.locator("[data-enlarge]:focus")
        focused.wait_for()
        link.press("Enter")
        page.locator("#enlarged[open] img").wait_for()
        link.evaluate("own => own.replaceWith(own.cloneNode(true))")
        page.keyboard.press("Escape")
        focused.wait_for()
        page.goto("/")
        stop = page.get_by_role("button", name="Stop this job: Draw a cup")
        stop.focus()
        page.locator("#queue").evaluate("own => { own.dataset.old = 'yes'; htmx.trigger(own, 'sse:queue'); }")
        page.locator("#queue:not([data-old])").wait_for()
        page.locator("button:focus[aria-label='Stop this job: Draw a cup']").wait_for()
        stop.click()
        page.wait_for_url("**/?said=cancelled")
        assert (
            page.get_by_text("Draw a cup").count() >= 0 and "Stopped" in page.get_by_role("status").first.inner_text()
        )
