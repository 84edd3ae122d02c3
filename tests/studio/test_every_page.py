"""Every page of the studio, at a desk and on a phone, light and dark, by mouse and by keyboard: nobody is left out."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Page, Route
from starlette.responses import HTMLResponse
from studio.browser import Served, chromium, page_of, serving, shown_in, sticks_out, violations  # noqa: F401
from studio.every_page import PAGES, PARTS, PICTURE, furnish_everything

from brandsmith.studio import api
from brandsmith.studio.pages import ROUTERS, design

MOST_TABS = 400
WITH_PICTURES = (
    *("/", "/teach/red-hugo", "/runs/red-hugo-lora", "/create?creation=caps", "/gallery", f"/picture/{PICTURE}"),
    *("/compare/compare-brand-lora", "/compare/compare-brand-lora/vote", "/studies/example", "/design"),
)
_REACHED = """
window.reached = new Set();
window.unseen = [];
const drawn = (style) => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
const outlined = (one) => drawn(getComputedStyle(one)) || drawn(getComputedStyle(one, "::after"));
document.addEventListener("focusin", (event) => {
  window.reached.add(event.target);
  let place = event.target, seen = false;
  for (let up = 0; place && up < 4; up++, place = place.parentElement) seen = seen || outlined(place);
  if (!seen && event.target !== document.body) window.unseen.push(event.target.outerHTML.slice(0, 120));
});
"""
"""What got the focus; and what got it without an outline on it or near it."""
_MISSED = """() => {
  const can = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const away = (one) => one.disabled || one.tabIndex < 0 || one.closest("[hidden], dialog:not([open])");
  const asked = Array.from(document.querySelectorAll(can))
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !away(one));
  const reached = Array.from(window.reached);
  const with_others = (one) => one.type === "radio" && reached.some((own) => own.name === one.name);
  const missed = asked.filter((one) => !window.reached.has(one) && !with_others(one));
  return [asked.length, missed.map((one) => one.outerHTML.slice(0, 120)), window.unseen];
}"""
"""Radio buttons of one name are one stop of Tab."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studio")
    furnish_everything(folder)
    with serving(folder) as served:
        yield served


def test_no_page_is_left_out():
    routes = [route for router in (*ROUTERS, api.router) for route in router.routes if isinstance(route, APIRoute)]
    shown = {route.path for route in routes if "GET" in route.methods and route.response_class is HTMLResponse}
    patterns = {
        path: re.compile(re.sub(r"\{[a-z]+:path\}", ".+", re.sub(r"\{[a-z]+\}", "[^/]+", path))) for path in shown
    }
    plain = [page.partition("?")[0] for page in PAGES]
    unseen = {path for path, pattern in patterns.items() if not any(pattern.fullmatch(page) for page in plain)}
    assert unseen == set(PARTS) and len(shown) > 25 and design.router.routes


def pattern_of(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{[a-z]+:path\}", ".+", re.sub(r"\{[a-z]+\}", "[^/]+", path)))


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (390, "dark")])
def test_nobody_is_left_out_and_nothing_moves(chromium, studio: Served, width, theme):  # noqa: F811
    """axe-core finds nothing, nor low contrast in the other theme; nothing sticks out; pictures arrive without a
    shift.
    """
    found: list[str] = []
    with page_of(chromium, studio, width, refuses=True) as page:
        for path in PAGES:
            shown_in(page, theme)
            page.goto(path, wait_until="load")
            assert page.locator("h1").count() == 1, path
            found += [f"{path} sticks out: {one}" for one in sticks_out(page, width)]
            shift = page.evaluate("window.shifted")
            found += [f"{path} moves by {shift:.3f}"] if shift > 0.02 else []
            found += [f"{path} {theme} {one}" for one in violations(page)]
            if width == 1440:
                shown_in(page, "dark")
                found += [f"{path} dark {one}" for one in violations(page, ["color-contrast"])]
    assert len(PAGES) >= 30 and found == []


@pytest.mark.slow
def test_pictures_that_come_late_move_nothing(chromium, studio: Served):  # noqa: F811
    """Every picture's answer is held back until the page stands."""
    found, shown = [], 0
    for path in WITH_PICTURES:
        with page_of(chromium, studio) as page:
            number, shift = shown_late(page, path)
        shown += number
        found += [f"{path} moves by {shift:.3f}"] if shift > 0.02 else []
    assert found == [] and shown > 12


def shown_late(page: Page, path: str) -> tuple[int, float]:
    """(pictures that were held back, by how much the page moved when they came)"""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/pictures/**", hold)
    page.goto(path, wait_until="domcontentloaded")
    page.wait_for_timeout(300)
    for one in held:
        one.continue_()
    page.wait_for_load_state("load")
    page.wait_for_timeout(200)
    return len(held), page.evaluate("window.shifted")


@pytest.mark.slow
def test_every_action_is_reached_by_tab_and_seen(chromium, studio: Served):  # noqa: F811
    found: list[str] = []
    with page_of(chromium, studio, refuses=True) as page:
        page.add_init_script(_REACHED)
        for path in PAGES:
            page.goto(path, wait_until="load")
            number, missed, unseen = tabbed_through(page)
            assert number >= 4, path
            found += [f"{path} not reached: {one}" for one in missed] + [f"{path} not seen: {one}" for one in unseen]
    assert found == [], found


def tabbed_through(page: Page) -> tuple[int, list[str], list[str]]:
    """(how many can be used, which Tab does not reach, which get the focus without a sign of it)"""
    for _ in range(0, MOST_TABS, 20):
        for _ in range(20):
            page.keyboard.press("Tab")
        number, missed, unseen = page.evaluate(_MISSED)
        if not missed:
            break
    return number, missed, unseen
