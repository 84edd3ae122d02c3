"""The pictures of docs/studio-teach.md, from a workspace with something in it:

python tests/studio/screenshots.py WORKSPACE CONCEPT docs
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from studio.browser import PROGRAM, page_of, serving

WIDE, HIGH, SHOWN_PX = 1280, 860, 1000
QUALITY = 80


def shoot(workspace: Path, concept: str, out: Path) -> list[Path]:
    """Home, a concept and the wizard, which is dark."""
    with serving(workspace) as served, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        wanted = (
            ("studio_home", "/", "light"),
            ("studio_teach", f"/teach/{concept}", "light"),
            ("studio_wizard", f"/teach/{concept}/train", "dark"),
        )
        made = []
        for name, path, theme in wanted:
            with page_of(browser, served, WIDE, color_scheme=theme) as page:
                page.set_viewport_size({"width": WIDE, "height": HIGH})
                page.goto(path, wait_until="load")
                page.wait_for_timeout(600)
                made.append(save(page.screenshot(), out / f"{name}.webp"))
        browser.close()
    return made


def save(png: bytes, file: Path) -> Path:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((SHOWN_PX, SHOWN_PX), Image.Resampling.LANCZOS)
    image.save(file, quality=QUALITY, method=6)
    return file


if __name__ == "__main__":
    for own in shoot(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])):
        print(f"{own} {own.stat().st_size} bytes")
