"""What changed, as server-sent events: the queue, and folders that a page watches. Files are looked at; nothing is kept
for a browser that is away.

    event: queue    data: {"running": 1, "waiting": 2}
    event: job      data: {"id": "000017", "state": "done", …}
    event: folder   data: {"folder": "runs/red-hugo-lora", "changed": 3}
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from brandsmith.studio.access import Here, Viewer
from brandsmith.studio.jobs import queue
from brandsmith.studio.workspace import Workspace

LOOK_EVERY_SEC = 0.5
STILL_HERE_SEC = 15.0
MOST_WATCHED = 8
MOST_ENTRIES = 5000
router = APIRouter()


@router.get("/events")
async def events(
    request: Request, here: Here, user: Viewer, watch: Annotated[list[str] | None, Query()] = None
) -> StreamingResponse:
    """The stream. `watch`: folders as `runs/red-hugo-lora`, at most 8."""
    folders = [here.item(*own.partition("/")[::2]) for own in (watch or [])[:MOST_WATCHED]]
    stream = changes(here, folders, request)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def changes(workspace: Workspace, folders: list[Path], request: Request) -> AsyncIterator[str]:
    before: dict[str, Any] = {}
    quiet = 0.0
    yield "retry: 2000\n\n"
    while not await request.is_disconnected():
        now = await asyncio.to_thread(_look, workspace, folders)
        news = [
            text
            for key, (name, stamp, data) in now.items()
            if before.get(key) != stamp
            for text in [_event(name, data)]
        ]
        before = {key: stamp for key, (_, stamp, _) in now.items()}
        quiet = 0.0 if news else quiet + LOOK_EVERY_SEC
        if quiet >= STILL_HERE_SEC:
            news, quiet = [": still here\n\n"], 0.0
        for text in news:
            yield text
        await asyncio.sleep(LOOK_EVERY_SEC)


def _look(workspace: Workspace, folders: list[Path]) -> dict[str, tuple[str, Any, Any]]:
    """{what: (event, what tells that it changed, its data)}"""
    jobs = queue.jobs(workspace)
    states = [job.state for job in jobs]
    counts = {"running": states.count("running"), "waiting": states.count("queued")}
    stamp = [(job.id, job.state, job.request.priority) for job in jobs if not job.over]
    seen: dict[str, tuple[str, Any, Any]] = {"queue": ("queue", stamp, counts)}
    for job in jobs[-50:]:
        seen[job.id] = ("job", (job.state, job.cancel), {"id": job.id, "state": job.state, "reason": job.reason})
    for folder in folders:
        name = workspace.relative(folder)
        changed = newest_change(folder)
        seen[name] = ("folder", changed, {"folder": name, "changed": changed})
    return seen


def newest_change(folder: Path) -> int:
    """Nanoseconds since 1970 of the newest file or folder in it, two levels deep; 0 for no folder."""
    newest, looked = 0, 0
    places = [(folder, 0)]
    while places and looked < MOST_ENTRIES:
        place, depth = places.pop()
        try:
            entries = list(os.scandir(place))
        except OSError:
            continue
        for entry in entries:
            looked += 1
            try:
                newest = max(newest, entry.stat(follow_symlinks=False).st_mtime_ns)
            except OSError:
                continue
            if depth < 2 and entry.is_dir(follow_symlinks=False):
                places.append((Path(entry.path), depth + 1))
    return newest


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
