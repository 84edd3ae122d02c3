"""Pictures and downloads of the workspace, and never anything else: no hidden name, no link, no way up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import write_with
from brandsmith.core.pictures import PICTURE_SUFFIXES, load_image
from brandsmith.core.text import shortened
from brandsmith.studio.access import Here, Viewer
from brandsmith.studio.workspace import Workspace

WIDTHS = (96, 192, 384, 768, 1536)
"""Thumbnails are made in these alone, so that nobody fills the disk with widths."""
DOWNLOADS = (
    *PICTURE_SUFFIXES,
    ".psd",
    ".svg",
    ".pdf",
    ".mp4",
    ".zip",
    ".json",
    ".jsonl",
    ".txt",
    ".md",
    ".csv",
    ".safetensors",
)
"""What may be downloaded; offered to be saved, never shown."""
LONGEST_PATH = 400
SHOWN = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}
router = APIRouter()


def file_of(workspace: Workspace, kind: str, identity: str, path: str) -> Path:
    """A regular file inside an item. Raises InvalidInput for a path that no page of ours makes, MissingResource for one
    that is not there.
    """
    parts = path.split("/")
    if len(path) > LONGEST_PATH or any(not part or part.startswith(".") or set(part) & set("\\\0:") for part in parts):
        raise InvalidInput(f"{shortened(path)} is no file of this workspace", hint="follow the links of the pages")
    item = workspace.item(kind, identity)
    found = item.joinpath(*parts)
    try:
        inside = found.resolve().is_relative_to(item.resolve()) and item.resolve().parent == workspace.kind(kind)
        there = inside and found.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        raise MissingResource(
            f"there is no file {shortened(path)} in '{kind}/{identity}'", hint="it may have been moved"
        )
    return found


@router.get("/pictures/{kind}/{identity}/{path:path}")
def picture(here: Here, user: Viewer, kind: str, identity: str, path: str, width: int = 0) -> FileResponse:
    """A picture as it is, or, with `width`, a WebP at least as wide as asked for (the next of WIDTHS)."""
    file = file_of(here, kind, identity, path)
    if file.suffix.lower() not in PICTURE_SUFFIXES:
        raise InvalidInput(f"{shortened(file.name)} is no picture", hint=f"allowed: {', '.join(PICTURE_SUFFIXES)}")
    with still_there(path):
        if width or file.suffix.lower() not in SHOWN:
            wide = next((own for own in WIDTHS if own >= width), WIDTHS[-1]) if width else WIDTHS[-1]
            made = thumbnail(here, file, wide)
            return FileResponse(made, media_type="image/webp", headers={"cache-control": "private, max-age=3600"})
        kind_of_file, headers = SHOWN[file.suffix.lower()], {"cache-control": "private, no-cache"}
        return FileResponse(file, media_type=kind_of_file, headers=headers, stat_result=file.stat())


@router.get("/files/{kind}/{identity}/{path:path}")
def download(here: Here, user: Viewer, kind: str, identity: str, path: str) -> FileResponse:
    """A file to be saved."""
    file = file_of(here, kind, identity, path)
    if file.suffix.lower() not in DOWNLOADS:
        raise InvalidInput(f"{shortened(file.name)} is not for download", hint=f"allowed: {', '.join(DOWNLOADS)}")
    with still_there(path):
        found = file.stat()
        return FileResponse(file, media_type="application/octet-stream", filename=file.name, stat_result=found)


@contextmanager
def still_there(path: str) -> Iterator[None]:
    """Raises MissingResource for a file that goes away inside the block: jobs write, and people take away."""
    try:
        yield
    except FileNotFoundError:
        raise MissingResource(f"{shortened(path)} is not there any more", hint="load the page again") from None


def thumbnail(workspace: Workspace, file: Path, width: int) -> Path:
    """A WebP of `file` no wider than `width`, kept until the picture changes. Raises InvalidInput for no picture."""
    found = file.stat()
    key = f"{workspace.relative(file.parent)}/{file.name}:{found.st_mtime_ns}:{found.st_size}:{width}"
    made = (
        workspace.own / "thumbnails" / f"{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.webp"
    )
    if not made.exists():
        image = load_image(file)
        image.thumbnail((width, width * 4))
        write_with(made, lambda partial: image.save(partial, format="WEBP", quality=82))
    return made
