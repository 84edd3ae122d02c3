"""The studio as an ASGI application: pages, pictures, events and the API over one workspace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from brandsmith.core.errors import BrandsmithError, InvalidInput, MissingResource
from brandsmith.core.version import package_version
from brandsmith.studio import api, events, files
from brandsmith.studio.access import NotLoggedIn, Refused, guard
from brandsmith.studio.audit import Audit
from brandsmith.studio.jobs.worker_process import ensure_worker
from brandsmith.studio.pages import ROUTERS
from brandsmith.studio.render import HERE, render
from brandsmith.studio.security import BodyLimits, KnownNames, Pace, SafeHeaders
from brandsmith.studio.sessions import SessionCookies, Sessions, secret_key
from brandsmith.studio.settings import StudioSettings, check_settings
from brandsmith.studio.workspace import Workspace

WATCH_WORKER_SEC = 1.0
API = "/api/"
_LOG = logging.getLogger("brandsmith.studio")


def create_app(workspace: Workspace, settings: StudioSettings | None = None, *, work: bool = True) -> FastAPI:
    """The application. work: keep a worker alive while jobs wait; without it jobs only queue up.

    Raises InvalidInput for settings with which strangers could come in.
    """
    settings = settings or StudioSettings()
    check_settings(settings)
    sessions = Sessions(secret_key(workspace.own), settings.port)
    app = FastAPI(
        title="Brandsmith studio",
        version=package_version(),
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}v1/openapi.json",
        lifespan=_keeping_worker if work else None,
        dependencies=[Depends(guard)],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(KnownNames, names=(settings.host, *settings.names)),
            Middleware(Pace, settings=settings),
            Middleware(Audit, file=workspace.own / "audit.jsonl"),
            Middleware(BodyLimits, settings=settings),
            Middleware(SessionCookies, sessions=sessions),
        ],
    )
    app.state.workspace, app.state.settings, app.state.sessions = workspace, settings, sessions
    for router in ROUTERS:
        app.include_router(router, include_in_schema=False)
    for router in (files.router, events.router, api.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    _answer_errors(app)
    return app


@asynccontextmanager
async def _keeping_worker(app: FastAPI) -> AsyncIterator[None]:
    """A worker lives while there is work; it outlives this server."""
    task = asyncio.create_task(_watch_worker(app.state.workspace, app.state.settings.executor))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _watch_worker(workspace: Workspace, executor: str) -> None:
    while True:
        try:
            await asyncio.to_thread(ensure_worker, workspace, executor)
        except Exception:
            _LOG.exception("the worker could not be looked after")
        await asyncio.sleep(WATCH_WORKER_SEC)


# ----------------------------------------------------------------------------- errors


def _answer_errors(app: FastAPI) -> None:
    app.add_exception_handler(BrandsmithError, _brandsmith_error)
    app.add_exception_handler(NotLoggedIn, _not_logged_in)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


def sorry(request: Request, status: int, message: str, hint: str = "") -> Response:
    """An error as a sentence with what to do: JSON for programs, a page for people."""
    if request.url.path.startswith(API):
        return JSONResponse({"error": message, "hint": hint}, status)
    return render(request, "sorry.html", status, message=message, hint=hint)


def status_of(error: BrandsmithError) -> int:
    kinds = ((Refused, 403), (MissingResource, 404), (InvalidInput, 400))
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


async def _brandsmith_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BrandsmithError)
    return sorry(request, status_of(error), str(error), error.hint)


async def _not_logged_in(request: Request, error: Exception) -> Response:
    if request.url.path.startswith(API):
        return sorry(request, 401, "nobody is logged in", "send a token: Authorization: Bearer …")
    return RedirectResponse("/login", 303)


async def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()[:5])
    return sorry(request, 422, f"this request cannot be read ({found})", "see /api/v1")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    hint = "start from Home" if error.status_code == 404 else ""
    return sorry(request, error.status_code, str(error.detail), hint)


async def _bug(request: Request, error: Exception) -> Response:
    return sorry(request, 500, "something went wrong here, and it is our fault", "the server's log says what")
