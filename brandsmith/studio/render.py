"""Templates to pages. Whatever a user wrote is escaped; there is no way around that here.

Every template has: `user`, `path`, `here` (its place in the navigation), `csrf` (the token of this session), `t(key)`
(words in the reader's `language`), `theme`, `workspace_name`, `said` (what the last form did), `quoted(command)` and
what its page gives.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from brandsmith.report.words import duration_text, method_name, size_text
from brandsmith.studio.access import session_of, sessions_of, workspace_of
from brandsmith.studio.command_line import quoted
from brandsmith.studio.inventory import page_of, picture_address, title_of
from brandsmith.studio.languages import language_of, translated, words

HERE = Path(str(files("brandsmith.studio")))
THEMES, THEME_COOKIE = ("system", "light", "dark"), "brandsmith_theme"
SAID = re.compile(r"said\.[a-z_]{1,40}")
"""Keys of what a form may have done: the only part of an address that a page repeats."""


@lru_cache(maxsize=1)
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "quoted": quoted,
        "page_of": page_of,
        "picture_address": picture_address,
        "title_of": title_of,
        "method_name": method_name,
        "size_text": size_text,
        "spoken": duration_text,
        "when": when,
    }
    return made


def render(request: Request, template: str, status: int = 200, **given: Any) -> HTMLResponse:
    """The page that `template` makes of what every page has and of `given`."""
    language = language_of(request)
    page = (
        environment()
        .get_template(template)
        .render(
            request=request,
            path=request.url.path,
            here=given.pop("here", None) or request.url.path.split("/")[1] or "home",
            theme=theme_of(request),
            workspace_name=workspace_of(request).folder.name,
            said=_said(request, language),
            user=getattr(request.state, "user", None),
            csrf=sessions_of(request).csrf_token(session_of(request)),
            language=language,
            t=lambda key, **values: translated(language, key, **values),
            **given,
        )
    )
    return HTMLResponse(page, status)


def when(seconds: float) -> str:
    """Seconds since 1970 as a local date and time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def theme_of(request: Request) -> str:
    """One of THEMES, as chosen on the page Settings."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "system"


def _said(request: Request, language: str) -> str | None:
    """What the form before did, when its redirect named one of our texts (`?said=saved`)."""
    key = f"said.{request.query_params.get('said', '')}"
    return translated(language, key) if SAID.fullmatch(key) and key in words("en") else None
