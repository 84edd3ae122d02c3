"""`brandsmith create inpaint` and `create outpaint`: tries drawn, judged and kept, the best one first.

    OUT/best.png            a copy of the best try
    OUT/seed-1000.png …     every try, with what it was made of in its file; its verdicts in seed-1000.jsonl
    OUT/mask.png            what was drawn, in white
    OUT/manifest.json       the brief, and of every try how visible its seam is

Stop it any time: the same command goes on, and the bytes are the same. Not here: how an edit is drawn (`inpaint.py`,
`outpaint.py`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from brandsmith.base.base import Base
from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import replacing, sha256_of, write_text
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.core.rows import Shot, judge_name, read_score_rows
from brandsmith.create.candidates import Candidate, best_first
from brandsmith.create.folder import CreatedFolder, open_created
from brandsmith.create.seam import seam_jump
from brandsmith.draw.model_claim import drawn_by
from brandsmith.draw.recipe import EDIT_KEYWORD, Origin
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.evaluate.chain import judges_for
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.provenance import claim as claims
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.containers import format_of
from brandsmith.provenance.signature import check_signing, save_signed
from brandsmith.results.usable import checks_for, judge_usable

SMALLEST_PX = 16
EDIT_CHECKS = ("present", "right", "spelled", "obeyed")
"""Not whether it is copied: the picture is the user's own."""


class Edit(Protocol):
    """One kind of edit of one picture."""

    @property
    def command(self) -> str:
        """`inpaint` or `outpaint`."""
        ...

    @property
    def prompt(self) -> str: ...

    def brief(self) -> dict[str, Any]:
        """What was asked for beside prompt, seeds and settings, as plain JSON."""
        ...

    def placed(self, base: Base) -> Edit:
        """The edit with its place found, where only the base can tell it. Raises InvalidInput: nothing is written."""
        ...

    def draw(self, base: Base, seeds: Sequence[int], settings: DrawSettings) -> list[Edited]:
        """One result per seed."""
        ...


@dataclass(frozen=True)
class Edited:
    """One result."""

    picture: np.ndarray
    """(H, W, 3) uint8."""
    drawn: np.ndarray
    """(H, W) bool: what of it is drawn."""
    judged: np.ndarray
    """(h, w, 3) uint8: the part that judges see."""
    feather_px: int


@dataclass(frozen=True)
class Order:
    """What is to be edited by what: the picture's file, the model, how it draws, and whose judges choose."""

    picture: Path
    source: Source
    settings: DrawSettings
    concept: Concept
    seeds: tuple[int, ...]
    folder: Path
    signing: Signing


@dataclass(frozen=True)
class EditResult:
    folder: Path
    tries: tuple[Candidate, ...]
    """The best first."""
    seams: Mapping[int, float | None]
    """By seed."""

    @property
    def best(self) -> Path:
        return self.folder / "best.png"

    def as_json(self) -> dict[str, Any]:
        return {"best": str(self.best), "tries": [own.as_json() | {"seam": self.seams[own.seed]} for own in self.tries]}

    def lines(self) -> list[str]:
        """For a terminal."""
        words = {True: "usable", False: "refused", None: "not decided"}
        told = [f"{own.path}: {words[own.usable.verdict]} {own.usable.reason}".rstrip() for own in self.tries]
        return [*told, str(self.best)]


def check_order(order: Order, edit: Edit) -> tuple[Order, CreatedFolder, Mapping[str, Judge]]:
    """The order with resolved settings, its folder and its judges: everything that can be wrong before weights load.

    Raises InvalidInput, InvalidConfig or MissingResource; writes nothing.
    """
    settings = checked_settings([edit.prompt], order.settings, order.source)
    order = replace(order, settings=settings)
    check_signing(order.signing)
    judges = judges_for(order.concept, resolve_base(order.source.base))
    judges = {name: judge for name, judge in judges.items() if name != "copying"}
    created = open_created(order.folder, edit.command, _brief(order, edit), [*map(_name, order.seeds), "best"])
    return order, created, judges


def plan_lines(order: Order, created: CreatedFolder) -> list[str]:
    """What a checked order would do, for a terminal."""
    missing = [name for name in created.missing() if name != "best"]
    scale, own = order.settings.guidance_scale, order.settings
    return [
        f"{created.command} '{order.picture}' with {order.source.base}"
        + (f" and adapter {order.source.checkpoint}" if order.source.checkpoint else ""),
        f"{own.num_steps} steps of {own.scheduler}, scale {scale}, combiner {own.combiner}, refiner {own.refiner}",
        f"to draw into '{order.folder}': {len(missing)} of {len(order.seeds)} tries",
    ]


def edit_to_folder(
    order: Order, edit: Edit, progress: Callable[[int, int], None] = lambda done, total: None
) -> EditResult:
    """Draw, judge and keep every try. Raises as `check_order`, before weights load."""
    order, created, judges = check_order(order, edit)
    if created.missing():
        with order.source.loaded() as (base, origin):
            edit = edit.placed(base)
            created.drawn_by(origin)
            _draw_missing(base, origin, order, edit, created, judges, progress)
    return _result(order, edit, created)


def _draw_missing(
    base: Base,
    origin: Origin,
    order: Order,
    edit: Edit,
    created: CreatedFolder,
    judges: Mapping[str, Judge],
    progress: Callable[[int, int], None],
) -> None:
    missing = set(created.missing())
    size = order.settings.batch_size
    for start in range(0, len(order.seeds), size):
        seeds = order.seeds[start : start + size]
        if not missing.isdisjoint(map(_name, seeds)):
            # Whole, also where some of it is there: so an interruption changes no bit of what follows.
            for seed, edited in zip(seeds, edit.draw(base, seeds, order.settings), strict=True):
                if _name(seed) in missing:
                    _keep(seed, edited, origin, order, edit, created, judges)
        progress(start + len(seeds), len(order.seeds))
    result = _result(order, edit, created)
    with replacing(result.best) as partial:
        shutil.copyfile(result.tries[0].path, partial)
    created.finish("best", [result.best], {"try": _name(result.tries[0].seed)})


def _keep(
    seed: int,
    edited: Edited,
    origin: Origin,
    order: Order,
    edit: Edit,
    created: CreatedFolder,
    judges: Mapping[str, Judge],
) -> None:
    path = order.folder / f"{_name(seed)}.png"
    made_of = _brief(order, edit) | {"seed": seed, "base_fingerprint": origin.base_fingerprint}
    text = {EDIT_KEYWORD: json.dumps(made_of, ensure_ascii=False)}
    save_signed(path, edited.picture, _claim(order, origin, edit), order.signing, text=text)
    shot = Shot(0, edit.prompt, seed, "", 0)
    rows = [row for judge in judges.values() for row in score_shots(judge, [shot], [edited.judged])]
    verdicts = path.with_suffix(".jsonl")
    write_text(verdicts, "".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n" for row in rows))
    mask = order.folder / "mask.png"
    save_png(mask, np.where(edited.drawn, 255, 0).astype(np.uint8))
    seam = seam_jump(edited.picture, edited.drawn)
    created.finish(_name(seed), [path, verdicts, mask], {"seed": seed, "seam": seam, "feather_px": edited.feather_px})


def _claim(order: Order, origin: Origin, edit: Edit) -> claims.Claim:
    with order.picture.open("rb") as file:
        known = format_of(file.read(64)) is not None
    return claims.Claim(
        claims.Source.COMPOSITE,
        models=(drawn_by(origin.base, origin.base_fingerprint, origin.adapter_hash),),
        inputs=(claims.Input(order.picture, claims.Role.PARENT, "picture"),) if known else (),
        edits=(claims.Edit("c2pa.edited", f"{edit.command}ed"),),
    )


def _result(order: Order, edit: Edit, created: CreatedFolder) -> EditResult:
    seams: dict[int, float | None] = {}
    for seed in order.seeds:
        part = created.finished(_name(seed))
        if part is None:
            raise InvalidInput(f"'{order.folder}' lost {_name(seed)}.png", hint="run the same command again")
        seams[seed] = part.record["seam"]
    tries = best_first([_candidate(order, edit.prompt, seed) for seed in order.seeds])
    return EditResult(order.folder, tuple(sorted(tries, key=lambda own: _refused_or_seam(own, seams))), seams)


def _candidate(order: Order, prompt: str, seed: int) -> Candidate:
    path = order.folder / f"{_name(seed)}.png"
    rows = read_score_rows(path.with_suffix(".jsonl"))
    asked = EDIT_CHECKS if order.concept.token in prompt else ("obeyed",)
    checks = [name for name in checks_for(map(judge_name, rows)) if name in asked]
    return Candidate(path, prompt, seed, tuple(rows), judge_usable(rows, checks))


def _refused_or_seam(own: Candidate, seams: Mapping[int, float | None]) -> tuple[bool, float]:
    """Of usable tries the one whose seam is seen least is first; the others stay in their order."""
    usable = own.usable.verdict is True
    return not usable, (seams[own.seed] or 0.0) if usable else 0.0


def _brief(order: Order, edit: Edit) -> dict[str, Any]:
    return {
        "picture": order.picture.name,
        "picture_sha256": sha256_of(order.picture),
        "prompt": edit.prompt,
        "seeds": list(order.seeds),
        "settings": order.settings.model_dump(mode="json"),
        "base": order.source.base,
        "adapter": order.source.origin().adapter_hash,
        "token": order.concept.token,
    } | edit.brief()


def _name(seed: int) -> str:
    return f"seed-{seed}"


def load_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8. Raises as `load_rgb`, and InvalidInput for one of less than 16 pixels a side."""
    picture = load_rgb(path)
    if min(picture.shape[:2]) < SMALLEST_PX:
        raise InvalidInput(
            f"'{path}' is {picture.shape[1]} x {picture.shape[0]} px", hint=f"allowed: at least {SMALLEST_PX} a side"
        )
    return picture
