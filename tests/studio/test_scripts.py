"""Texts that would run, in all that pages read: a real browser runs none of them, and would be heard if it did."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from starlette.responses import HTMLResponse
from studio.browser import chromium, serving  # noqa: F401

from brandsmith.benchmark.studio_scripts import SCRIPTS, plant_scripts, watch_pages

PAGES = (
    *("/", "/teach", "/teach/shown", "/teach/shown/brand", "/teach/shown/train", "/teach/shown/pictures/0.png"),
    *("/runs/shown", "/creations/shown", "/create?creation=shown", "/gallery", "/compare", "/learn", "/create/ad"),
    "/gallery?words=%3Cscript%3Ealert(1)%3C/script%3E",
)


@pytest.mark.slow
def test_no_text_runs_in_a_browser(chromium, tmp_path):  # noqa: F811
    plant_scripts(tmp_path)
    with serving(tmp_path) as served:
        app: FastAPI = served.app

        @app.get("/unsafe/{number}")
        def unsafe(number: int) -> HTMLResponse:
            return HTMLResponse(f"<title>t</title><p>{SCRIPTS[number]}")

        assert watch_pages(chromium, served.address, PAGES) == (len(PAGES), [])
        markup = [number for number, script in enumerate(SCRIPTS) if "<" in script]
        number, heard = watch_pages(chromium, served.address, [f"/unsafe/{number}" for number in markup])
    assert number == len(markup) >= 5 and {f"/unsafe/{number}" for number in markup} == {
        one.split()[0] for one in heard
    }
