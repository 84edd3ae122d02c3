"""One picture of the workspace as the start of another: a part drawn anew, drawn on beyond its edges, varied, its true
mark laid in, or shown how it came about. Each is an ordinary command.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.pictures import save_png
from brandsmith.core.text import shortened
from brandsmith.create.mask_files import read_mask
from brandsmith.studio.create.checks import checked_number, checked_text
from brandsmith.studio.create.drawing import LARGEST_SEED, MOST_PICTURES, drawn_with, model_of
from brandsmith.studio.gallery import Picture
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.models import Model, taught_by
from brandsmith.studio.workspace import Workspace

_SHAPE = re.compile(r"[1-9]\d{0,4}[:x][1-9]\d{0,4}")
MOST_MASK_BYTES = 8 << 20
SIDES = ("1:1", "4:5", "9:16", "16:9", "3:2", "2:3")
"""Shapes that the page offers; any other that the command takes may be typed."""


def model_for(workspace: Workspace, picture: Picture) -> Model:
    """What drew it. Raises MissingResource where that is not here."""
    model = model_of(workspace, picture.recipe) if picture.recipe else None
    if model is None:
        raise MissingResource(
            f"what drew '{picture.address}' is not in this workspace", hint="choose a picture that a run here drew"
        )
    return model


def vary(workspace: Workspace, picture: Picture, number: int, user: str) -> tuple[str, Job]:
    """The same prompt and settings from the next seeds."""
    recipe, model = picture.recipe, model_for(workspace, picture)
    assert recipe is not None
    pictures = int(checked_number("number of pictures", number, 1, MOST_PICTURES))
    first = int(checked_number("seed", recipe.seed + 1, 0, LARGEST_SEED))
    own = [*model.arguments(recipe.origin.adapter_strength), *drawn_with(recipe), *_judged(workspace, model)]
    own += ["--seeds", str(pictures), "--first-seed", str(first)]
    return _queued(workspace, _request(workspace, f"{_title(picture)} more", ("sample", *own), recipe.prompt, user))


def draw_again(workspace: Workspace, picture: Picture, user: str) -> tuple[str, Job]:
    """From the recipe in its own file."""
    model = model_for(workspace, picture)
    run = ["--run", f"runs/{model.run}"] if model.run else []
    arguments = ("sample", "--from", _place(picture), *run)
    return _queued(workspace, _request(workspace, f"{_title(picture)} again", arguments, None, user))


def explain(workspace: Workspace, picture: Picture, user: str) -> Job:
    """How it came about, into the folder beside it that has its name."""
    recipe, model = picture.recipe, model_for(workspace, picture)
    assert recipe is not None
    folder = _place(picture).rpartition(".")[0]
    own = [*model.arguments(recipe.origin.adapter_strength), *drawn_with(recipe), "--seed", str(recipe.seed)]
    command = ("brandsmith", "explain", *own, "--frames", "--out", folder, "--", recipe.prompt)
    return queue.add(
        workspace, JobRequest(command, user, folder=folder, title=f"{_title(picture)}: attention", priority=1)
    )


def lay_mark(workspace: Workspace, picture: Picture, user: str) -> tuple[str, Job]:
    """The true mark in place of the drawn one."""
    known = taught_by(workspace, model_for(workspace, picture))
    concept = known.folder if known is not None else "demo"
    identity = workspace.reserve("creations", f"{_title(picture)} exact mark")
    folder = f"creations/{identity}"
    command = (
        "brandsmith",
        "create",
        "mark",
        _place(picture),
        "--concept",
        concept,
        "--out",
        f"{folder}/exact-mark.png",
    )
    return identity, queue.add(workspace, JobRequest(command, user, "cpu", folder, f"{_title(picture)}: exact mark"))


def inpaint(workspace: Workspace, picture: Picture, prompt: str, where: str, user: str) -> tuple[str, Job]:
    """where: the argument of the command that names the part, from `mask_file` or `box`."""
    return _queued(workspace, inpaint_request(workspace, picture, prompt, [where], user))


def inpaint_request(
    workspace: Workspace, picture: Picture, prompt: str, options: Sequence[str], user: str
) -> JobRequest:
    """options: of the command, among them what names the part."""
    model = model_for(workspace, picture)
    own = [*model.arguments(), *_of_concept(workspace, model), *options]
    text = checked_text("what to draw", prompt)
    arguments = ("create", "inpaint", *own, "--", _place(picture))
    return _request(workspace, f"{text} inpainted", arguments, text, user)


def outpaint(workspace: Workspace, picture: Picture, prompt: str, to: str, place: float, user: str) -> tuple[str, Job]:
    """Raises InvalidInput for a shape that is none."""
    return _queued(workspace, outpaint_request(workspace, picture, prompt, to, place, user))


def outpaint_request(
    workspace: Workspace, picture: Picture, prompt: str, to: str, place: float, user: str
) -> JobRequest:
    if not _SHAPE.fullmatch(to):
        raise InvalidInput(f"{shortened(to)} is no shape", hint=f"for example {', '.join(SIDES)}, 728x90")
    model = model_for(workspace, picture)
    own = [*model.arguments(), *_of_concept(workspace, model), "--to", to]
    own += ["--place", f"{checked_number('place', place, 0, 1):g}"]
    text = checked_text("what to draw", prompt)
    return _request(workspace, f"{text} {to}", ("create", "outpaint", *own, "--", _place(picture)), text, user)


def box(picture: Picture, corners: tuple[int, int, int, int]) -> str:
    """Raises InvalidInput for corners outside the picture."""
    x0, y0, x1, y1 = corners
    if not (0 <= x0 < x1 <= picture.width and 0 <= y0 < y1 <= picture.height):
        raise InvalidInput(
            f"the box {x0},{y0} to {x1},{y1} is not inside the picture",
            hint=f"left before right, top before bottom, at most {picture.width} and {picture.height}",
        )
    return f"--box={x0},{y0},{x1},{y1}"


def mask_file(workspace: Workspace, picture: Picture, content: bytes) -> str:
    """Keeps a painted mask (PNG, painted is what is not black); the argument that names it. Raises InvalidInput."""
    if len(content) > MOST_MASK_BYTES:
        raise InvalidInput("this mask is larger than a mask can be", hint="paint it on the page")
    folder = workspace.own / "masks"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        sent = Path(scratch) / "mask.png"
        sent.write_bytes(content)
        painted = read_mask(sent, (picture.height, picture.width))
    file = folder / f"{secrets.token_hex(8)}.png"
    save_png(file, np.where(painted, 255, 0).astype(np.uint8))
    return f"--mask={workspace.relative(file)}"


def _queued(workspace: Workspace, request: JobRequest) -> tuple[str, Job]:
    """The id of the creation, and its job."""
    return request.folder.partition("/")[2], queue.add(workspace, request)


def _request(workspace: Workspace, wish: str, arguments: tuple[str, ...], prompt: str | None, user: str) -> JobRequest:
    """A creation of its own for what the command writes. `arguments` of an edit end with `--` and the picture."""
    identity = workspace.reserve("creations", " ".join(wish.split()[:8]))
    folder = f"creations/{identity}"
    place = arguments.index("--") if "--" in arguments else len(arguments)
    before, after = arguments[:place], arguments[place + 1 :]
    tail = () if prompt is None else ("--", *after, prompt)
    command = ("brandsmith", *before, "--out", folder, *tail)
    return JobRequest(command, user, folder=folder, title=wish[:120], priority=1)


def _place(picture: Picture) -> str:
    return picture.address


def _title(picture: Picture) -> str:
    words = " ".join(picture.prompt.split()[:6]) or picture.id
    return words[:80]


def _judged(workspace: Workspace, model: Model) -> list[str]:
    known = taught_by(workspace, model)
    return ["--judge", "--concept", known.folder] if known is not None and known.judged else []


def _of_concept(workspace: Workspace, model: Model) -> list[str]:
    known = taught_by(workspace, model)
    return ["--concept", known.folder if known is not None and known.judged else "demo"]
