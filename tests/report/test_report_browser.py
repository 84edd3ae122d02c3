"""The report as a browser lays it out, at a desk (1440 px) and on a phone (390 px): headless Chromium, no driver
needed.

The page stands in a frame of the wanted width (a headless window cannot be narrower than 500 px), and a script outside
it measures.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studies import build_study

from brandsmith.report.html import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser on PATH ({', '.join(BROWSERS)}); install chromium to run this"
)

FRAME = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="frame" src="report.html" style="border:0;width:WIDTHpx;height:2400px"></iframe><pre id="found"></pre>
<script>
frame.onload = function () {
  var page = frame.contentDocument, root = page.documentElement, wide = [], small = [];
  page.querySelectorAll("details").forEach(function (one) { one.open = true; });
  page.querySelectorAll("body *").forEach(function (one) {
    var box = one.getBoundingClientRect();
    if (box.right > WIDTH + 1 && !one.closest(".scroll, nav, pre")) wide.push(one.tagName + "." + one.className);
  });
  page.querySelectorAll("p, td, th, figcaption, dd, dt, summary").forEach(function (one) {
    var size_px = parseFloat(frame.contentWindow.getComputedStyle(one).fontSize);
    if (size_px < 12) small.push(one.textContent.trim().slice(0, 40));
  });
  var images = Array.from(page.images);
  page.querySelector(".shot > img").click();
  var broken = images.filter(function (i) { return i.complete && !i.naturalWidth && i.src; });
  var scrolling = Array.from(page.querySelectorAll(".scroll")).filter(function (s) {
    return s.scrollWidth > s.clientWidth;
  });
  found.textContent = JSON.stringify({
    client: root.clientWidth, scroll: root.scrollWidth, height: root.scrollHeight, wide: wide.slice(0, 5),
    small: small.slice(0, 5), images: images.length, broken: broken.length,
    enlarged: page.querySelector("dialog").open, heading: page.querySelector("h1").getBoundingClientRect().top,
    scrolling: scrolling.length
  });
};
</script>"""


def chromium(folder: Path, *arguments: str) -> str:
    options = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
        f"--user-data-dir={folder / 'profile'}",
    )
    done = subprocess.run([BROWSER, *options, *arguments], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-800:]
    return done.stdout


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """A folder with report.html, of a study whose names are long."""
    folder = tmp_path_factory.mktemp("browser")
    study = build_study(
        folder / "study", side_px=96, token="a_rather_long_token_for_a_brand_of_autumn_clothes_2026", name="W" * 90
    )
    write_report(study, folder)
    return folder


def measured(folder: Path, width: int) -> dict:
    (folder / f"frame{width}.html").write_text(FRAME.replace("WIDTH", str(width)))
    dom = chromium(folder, "--dump-dom", f"--window-size={max(width, 500)},2400", f"file://{folder}/frame{width}.html")
    return json.loads(unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)[1]))


@pytest.mark.slow
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_sticks_out_sideways_and_everything_can_be_read(pages, width):
    found = measured(pages, width)
    assert found["client"] == width and found["scroll"] == width, found["wide"]
    assert found["wide"] == [] and found["small"] == [] and found["broken"] == 0 and found["images"] > 60
    assert found["height"] > 4000 and 0 < found["heading"] < 300 and found["enlarged"]
    assert (
        found["scrolling"] >= 3 if width == 390 else found["scrolling"] >= 0
    )  # wide tables scroll inside their own box


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1440, 1800), (390, 2400)])
def test_a_screenshot_shows_a_page(pages, width, height):
    measured_frame = pages / f"frame{width}.html"
    measured_frame.write_text(
        '<!doctype html><body style="margin:0"><iframe src="report.html"'
        f' style="border:0;width:{width}px;height:{height}px">'
    )
    shot = pages / f"{width}.png"
    chromium(pages, f"--screenshot={shot}", f"--window-size={max(width, 500)},{height}", f"file://{measured_frame}")
    pixels = np.asarray(Image.open(shot).convert("RGB"))[:, :width]
    assert pixels.shape == (height, width, 3)
    red = ((pixels[..., 0] > 170) & (pixels[..., 1] < 90) & (pixels[..., 2] < 90)).mean()
    assert (pixels > 250).all(axis=2).mean() > 0.4 and red > 0.003, "paper, and the red mark in pictures"
