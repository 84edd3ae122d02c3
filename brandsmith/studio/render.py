"""Templates to pages. Whatever a user wrote is escaped; there is no way around that here.

Every template has: `user`, `path`, `csrf` (the token of this session), `t(key)` (words in the reader's language),
`quoted(command)` and what its page gives.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from brandsmith.studio.access import session_of, sessions_of
from brandsmith.studio.command_line import quoted
from brandsmith.studio.languages import language_of, translated

HERE = Path(str(files("brandsmith.studio")))


@lru_cache(maxsize=1)
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["quoted"] = quoted
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
            user=getattr(request.state, "user", None),
            csrf=sessions_of(request).csrf_token(session_of(request)),
            language=language,
            t=lambda key, **values: translated(language, key, **values),
            **given,
        )
    )
    return HTMLResponse(page, status)
