"""The whole way in a real browser: upload, doctor, captions, a short training with previews, create with a mask, an ad,
a comparison with a vote, a lesson, a download; then every page at both widths and in both themes, seen by axe-core.

    OUT/flow/01-upload.png …              what was seen on the way, at 1440 px
    OUT/flow/create-390-dark.png …        the finished workspace, page by page
    OUT/flow/way.gif                      the way as a short film

A trained run that lies in OUT/run draws in place of the one that was trained for a few steps: then pictures are usable.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brandsmith.benchmark.create import Bar
from brandsmith.benchmark.studio_browser import THEMES, WIDTHS, chromium, film, look, new_page
from brandsmith.benchmark.studio_live import LiveStudio, live_studio
from brandsmith.concept.concept import demo_folder
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.optional import need_package

if TYPE_CHECKING:
    from playwright.sync_api import Page

NUM_PICTURES = 8
"""Of the demo that are uploaded."""
TOKEN = "red_qoga_logo"
SHORT_STEPS = 12
WITHIN_SEC = 900.0
"""For one job to be over: machines may be busy."""
COLOURS = (("QOGA red", "#de2630"), ("Ink", "#1b1b1f"), ("Paper", "#faf7f2"))
"""Of the demo: what an ad is set with."""
HEADLINE = "Made for the first cold morning"


@dataclass
class Flow:
    """One browser on its way through one studio."""

    studio: LiveStudio
    page: Page
    shots: Path
    log: Callable[[str], None]
    seen: list[Path] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said."""
    began: float = field(default_factory=time.perf_counter)
    first_picture_sec: float = 0.0

    def visit(self, path: str) -> None:
        self.page.goto(self.studio.address + path)

    def shot(self, name: str) -> None:
        file = self.shots / f"{len(self.seen) + 1:02d}-{name}.png"
        self.page.wait_for_timeout(250)
        self.page.screenshot(path=str(file))
        self.seen.append(file)
        self.log(f"{time.perf_counter() - self.began:6.1f} s  {name}")

    def finish(self) -> list[dict[str, Any]]:
        """Wait until no job is open; the jobs. Raises BrandsmithError when they take too long."""
        until = time.monotonic() + WITHIN_SEC
        while time.monotonic() < until:
            jobs: list[dict[str, Any]] = self.page.request.get(f"{self.studio.address}/api/v1/jobs").json()
            if all(job["state"] in ("done", "failed", "cancelled") for job in jobs):
                return jobs
            time.sleep(0.3)
        raise BrandsmithError(f"jobs were not over in {WITHIN_SEC:g} s (see '{self.studio.folder}/.studio/jobs')")

    def unfold(self) -> None:
        for one in self.page.locator("details.more:not([open]) > summary").all():
            one.click()

    @property
    def last_part(self) -> str:
        """Of the page's address: the id of what it shows."""
        return self.page.url.partition("?")[0].partition("#")[0].rpartition("/")[2]


LOOKS = tuple((width, theme) for width in WIDTHS for theme in THEMES)


def measure_flow(folder: Path, log: Callable[[str], None], looks_at: Sequence[tuple[int, str]] = LOOKS) -> list[Bar]:
    """The bars of the way. looks_at: width and theme of each look at every page.

    Raises MissingResource without Playwright, axe-core or Chromium.
    """
    for package in ("playwright", "axe_playwright_python"):
        need_package(package, "dev", "brandsmith benchmark studio --only flow")
    shots, workspace = folder / "flow", folder / "flow-workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    shots.mkdir(parents=True, exist_ok=True)
    _prepare(workspace, folder / "run")
    with live_studio(workspace) as studio, chromium() as browser:
        studio.start()
        flow = Flow(studio, new_page(browser, WIDTHS[0], "light"), shots, log)
        flow.page.on("console", lambda one: flow.complaints.append(one.text) if one.type == "error" else None)
        flow.page.on("pageerror", lambda one: flow.complaints.append(str(one)))
        paths = walk_the_way(flow)
        seconds, jobs = time.perf_counter() - flow.began, flow.finish()
        film(flow.seen, shots / "way.gif")
        looks = [look(browser, studio, shots, how, paths) for how in looks_at]
    failed = [f"{job['request']['title']}: {job['reason']}" for job in jobs if job["state"] != "done"]
    violations, too_wide = ([own for found in looks for own in found[i]] for i in (0, 1))
    for line in (*failed, *violations, *too_wide, *flow.complaints):
        log(line)
    looked = len(paths) * len(looks)
    return [
        _zero("flow_failed_jobs", failed, len(jobs), f"{len(flow.seen)} steps in {seconds:.0f} s"),
        _zero("flow_console_errors", flow.complaints, len(flow.seen), ""),
        _zero("axe_violations", violations, looked, "pages x widths x themes"),
        _zero("pages_wider_than_the_window", too_wide, looked, ""),
    ]


def _zero(name: str, found: Sequence[str], n: int, note: str) -> Bar:
    return Bar(name, len(found), "0", not found, n, note)


def _prepare(workspace: Path, run: Path) -> None:
    """Judges of the concept that will be uploaded (fitting them takes minutes), and the trained run if there is one."""
    for kind in ("concepts", "runs"):
        (workspace / kind).mkdir(parents=True)
    shutil.copytree(demo_folder().with_name("demo_judges"), workspace / "concepts" / "qoga-judges")
    if (run / "config.json").is_file():
        shutil.copytree(run, workspace / "runs" / "trained")


# ----------------------------------------------------------------------------- the way


def walk_the_way(flow: Flow) -> list[str]:
    """Do everything once; the addresses of the pages that show it."""
    concept, run = _teach(flow)
    drawn = "trained" if (flow.studio.folder / "runs" / "trained").is_dir() else run
    picture = _create(flow, drawn)
    edited = _edit(flow, picture)
    _brand(flow, concept)
    ad, grid, lesson = _advertise(flow, drawn), _compare(flow, drawn), _learn(flow)
    _download(flow, picture)
    creation = picture.split("/")[3]
    return [
        *("/", "/teach", f"/teach/{concept}", f"/teach/{concept}/train", f"/teach/{concept}/brand", f"/runs/{run}"),
        *("/create", f"/creations/{creation}", picture, picture.replace("/picture/", "/edit/"), f"/creations/{edited}"),
        *("/gallery", "/create/ad", f"/creations/{ad}", "/create/catalogue", "/create/board"),
        *("/compare", f"/compare/{grid}", f"/compare/{grid}/vote", "/learn", f"/learn/{lesson}"),
    ]


def _teach(flow: Flow) -> tuple[str, str]:
    """The ids of the concept and of its short training."""
    page = flow.page
    flow.visit("/")
    flow.shot("home")
    flow.visit("/teach/new")
    images = sorted((demo_folder() / "images").glob("*.png"))[:NUM_PICTURES]
    page.set_input_files("input[name=pictures]", [str(f) for own in images for f in (own, own.with_suffix(".txt"))])
    page.fill("#field-name", "Qoga")
    page.fill("#field-text", "QOGA")
    flow.unfold()
    page.fill("#field-token", TOKEN)
    page.fill("#field-class_word", "logo")
    flow.shot("upload")
    page.locator("form[action='/teach/new'] button.primary").click()
    page.wait_for_url(re.compile(r"/teach/(?!new)"))
    concept = flow.last_part
    look_for = page.locator(f"form[action='/teach/{concept}/doctor'] button")
    if look_for.count():
        look_for.click()
    flow.finish()
    flow.visit(f"/teach/{concept}")
    flow.shot("doctor")
    caption = page.locator("textarea.caption").first
    caption.fill(caption.input_value() + ", front view")
    with page.expect_response(lambda own: own.url.endswith("/captions")):
        caption.blur()
    flow.shot("captions")
    flow.visit(f"/teach/{concept}/train")
    flow.unfold()
    page.fill("#field-steps", str(SHORT_STEPS))
    flow.shot("plan")
    page.locator(f"form[action='/teach/{concept}/train'] button.primary").click()
    page.wait_for_url(re.compile("/runs/"))
    run = flow.last_part
    flow.shot("training")
    flow.finish()
    flow.visit(f"/runs/{run}")
    flow.shot("previews")
    return concept, run


def _brand(flow: Flow, concept: str) -> None:
    """What an ad needs beside a training: the kit, and pictures that were not taught."""
    page, demo = flow.page, demo_folder()
    flow.visit(f"/teach/{concept}/brand")
    page.set_input_files("input[name=mark_light]", str(demo / "mark.svg"))
    page.set_input_files("input[name=mark_dark]", str(demo / "mark-on-dark.svg"))
    for number, (name, code) in enumerate(COLOURS):
        page.locator("input[name=colour_hex]").nth(number).fill(code)
        page.locator("input[name=colour_name]").nth(number).fill(name)
    page.fill("#field-owner", "QOGA (invented)")
    page.locator(f"form[action='/teach/{concept}/brand'] button.primary").click()
    page.wait_for_url(re.compile("said=kit_saved"))
    held_out = sorted((demo / "held_out").glob("*.*"))
    page.set_input_files("input[name=pictures]", [str(own) for own in held_out])
    page.locator(f"form[action='/teach/{concept}/held-out'] button").click()
    page.wait_for_url(re.compile("said=added"))
    flow.finish()
    flow.visit(f"/teach/{concept}/brand")
    flow.shot("brand")


def _create(flow: Flow, run: str) -> str:
    """The address of the first picture's page."""
    page = flow.page
    flow.visit(f"/create?run={run}")
    page.fill("#field-prompt", f"a blue {TOKEN} sweater")
    page.locator("label:has(> input[name=pictures][value='2'])").click()
    flow.shot("create")
    asked = time.perf_counter()
    page.locator("form.wish button.primary").click()
    page.wait_for_url(re.compile("creation="))
    page.wait_for_selector("#pictures figure .shot img", timeout=WITHIN_SEC * 1000)
    flow.shot("drawing")
    page.wait_for_selector("#pictures .judged a.shot img", timeout=WITHIN_SEC * 1000)
    flow.first_picture_sec = time.perf_counter() - asked
    flow.finish()
    flow.visit(page.url.removeprefix(flow.studio.address).partition("#")[0])
    flow.shot("judged")
    page.locator("#pictures .judged a.shot").first.click()
    page.wait_for_url(re.compile(r":\d+/picture/"))
    page.wait_for_selector(".signed", timeout=60_000)
    flow.shot("picture")
    return page.url.removeprefix(flow.studio.address)


def _edit(flow: Flow, picture: str) -> str:
    page = flow.page
    flow.visit(picture.replace("/picture/", "/edit/"))
    box = page.locator("#mask").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.45)
    page.mouse.down()
    for share in (0.45, 0.55, 0.65):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    flow.shot("mask")
    page.locator("form[data-mask] button.primary").click()
    page.wait_for_url(re.compile(r":\d+/creations/"))
    flow.finish()
    return _seen(flow, "inpainted")


def _advertise(flow: Flow, run: str) -> str:
    page = flow.page
    flow.visit("/create/ad")
    newest = page.locator(f"#field-model option[value^='{run}@']").first.get_attribute("value")
    page.select_option("#field-model", newest)
    page.fill("#field-headline", HEADLINE)
    page.fill("#field-call_to_action", "Shop the line")
    for name in ("4:5", "9:16", "leaderboard"):
        page.locator(f"input[name=formats][value='{name}']").uncheck()
    page.fill("#field-candidates", "1")
    flow.shot("ad-brief")
    page.locator("form[data-brief] button.primary").click()
    page.wait_for_url(re.compile(r":\d+/creations/"))
    flow.finish()
    return _seen(flow, "ad")


def _compare(flow: Flow, run: str) -> str:
    page = flow.page
    flow.visit("/compare")
    models = [str(one.get_attribute("value")) for one in page.locator("input[name=model]").all()]
    wanted = [next(own for own in models if own.startswith(f"{run}@")), "base:pocket"]
    for own in models:
        page.locator(f"input[name=model][value='{own}']").set_checked(own in wanted)
    page.fill("#field-prompts", f"a {TOKEN} cap\na black bag with a {TOKEN}")
    page.fill("#field-seeds", "1")
    page.locator("form[action='/compare'] button.primary").click()
    page.wait_for_url(re.compile("/compare/."))
    grid = flow.last_part
    flow.finish()
    flow.visit(f"/compare/{grid}/vote")
    flow.shot("vote")
    page.locator("button[name=choice][value=left]").click()
    page.wait_for_load_state()
    flow.visit(f"/compare/{grid}")
    flow.shot("comparison")
    return grid


def _learn(flow: Flow) -> str:
    page = flow.page
    flow.visit("/learn")
    page.select_option("#field-model", "base:pocket")
    page.locator("form[action='/learn'] button.primary").click()
    page.wait_for_url(re.compile("/learn/."))
    lesson = flow.last_part
    flow.finish()
    flow.visit(f"/learn/{lesson}")
    page.locator("[data-player=noising] [data-slide]").fill("9")
    flow.shot("lesson")
    return lesson


def _download(flow: Flow, picture: str) -> None:
    """Raises BrandsmithError when what came is not the picture."""
    flow.visit(picture)
    with flow.page.expect_download() as waiting:
        flow.page.locator("a.button.primary[href^='/files/']").click()
    file = flow.shots / "downloaded.png"
    waiting.value.save_as(str(file))
    there = flow.studio.folder.joinpath(*picture.split("/")[2:])
    if file.read_bytes() != there.read_bytes():
        raise BrandsmithError(f"what was downloaded is not '{there}'")


def _seen(flow: Flow, name: str) -> str:
    """The creation that the browser shows, loaded again; its id."""
    identity = flow.last_part
    flow.visit(f"/creations/{identity}")
    flow.shot(name)
    return identity
