"""A wish from the page Create as commands of `brandsmith sample`: one folder, or two side by side on the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_record
from brandsmith.draw.recipe import Recipe
from brandsmith.studio.create.checks import checked_choice, checked_number, checked_text
from brandsmith.studio.create.mixing import STRONGEST, WEAKEST, Part, checked_parts, mixed
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.models import Model, Taught, model_named, taught_by
from brandsmith.studio.workspace import Workspace

GUIDANCE = ("plain", "faithful", "both")
MOST_PICTURES, MOST_BLOCKS = 16, 6
LARGEST_SEED = 2**31 - 1
GLANCE_EVERY = 3
_SMALL = ("a", "an", "the", "with", "on", "in", "of", "and", "AND", "NOT")


@dataclass(frozen=True)
class Wish:
    """What somebody wants drawn. Made by `checked_wish`."""

    prompt: str
    model: Model
    judges: Taught | None
    """None: nobody's; then pictures have no verdicts."""
    pictures: int = 4
    first_seed: int = 1000
    guidance: str = "plain"
    strength: float = 1.0
    steps: int | None = None
    scale: float | None = None
    negative: str = ""
    parts: tuple[Part, ...] = ()
    """All adapters, the model's own first, where there are several."""

    def command(self, folder: str, guidance: str) -> tuple[str, ...]:
        """Relative to the workspace."""
        own = ["brandsmith", "sample", *self.model.arguments(self.strength)]
        own += ["--seeds", str(self.pictures), "--first-seed", str(self.first_seed), "--out", folder]
        if guidance != "plain":
            own += ["--guidance", "faithful-and" if _has_blocks(self.prompt) else "faithful"]
        own += [] if self.steps is None else ["--num-steps", str(self.steps)]
        own += [] if self.scale is None else ["--guidance-scale", f"{self.scale:g}"]
        own += [f"--negative-prompt={self.negative}"] if self.negative else []
        if self.judges is not None and self.judges.judged:
            own += ["--judge", "--concept", self.judges.folder]
        return (*own, "--preview-every", str(GLANCE_EVERY), "--", self.prompt)

    def commands(self, identity: str) -> dict[str, tuple[str, ...]]:
        """{part of the creation: command}; the whole of it is the part ``."""
        if self.guidance != "both":
            return {"": self.command(f"creations/{identity}", self.guidance)}
        return {part: self.command(f"creations/{identity}/{part}", part) for part in ("plain", "faithful")}


def shown(prompt: str) -> str:
    """Without the braces that mark its subjects."""
    return prompt.replace("{", "").replace("}", "")


def _has_blocks(prompt: str) -> bool:
    return bool({"AND", "NOT"} & set(prompt.split()))


def checked_wish(workspace: Workspace, given: Mapping[str, Any]) -> Wish:
    """From a form's values. Raises InvalidInput for the first that cannot be."""
    model = model_named(workspace, str(given.get("model", "")))
    strength = checked_number("strength", float(given.get("strength", 1)), WEAKEST, STRONGEST)
    parts = checked_parts(workspace, model, strength, given.get("models", ()), given.get("strengths", ()))
    steps, scale = given.get("steps"), given.get("scale")
    return Wish(
        prompt=joined(str(given.get("prompt", "")), given.get("also", ()), given.get("without", ())),
        model=model,
        judges=taught_by(workspace, model),
        pictures=int(checked_number("number of pictures", int(given.get("pictures", 4)), 1, MOST_PICTURES)),
        first_seed=int(checked_number("seed", int(given.get("seed", 1000)), 0, LARGEST_SEED)),
        guidance=checked_choice("guidance", str(given.get("guidance", "plain")), GUIDANCE),
        strength=strength if model.has_strength else 1.0,
        steps=None if steps is None else int(checked_number("steps", int(steps), 1, 200)),
        scale=None if scale is None else checked_number("guidance scale", float(scale), 0, 30),
        negative=checked_text("what must not be there", str(given.get("negative", "")), needed=False),
        parts=parts,
    )


def joined(prompt: str, also: Sequence[str], without: Sequence[str]) -> str:
    """A prompt and its blocks as one: `a cap AND a bag AND NOT a dog`. Raises InvalidInput."""
    blocks = [checked_text("prompt", prompt)]
    blocks += [f"AND {text}" for own in also if (text := checked_text("a block", own, needed=False))]
    blocks += [f"AND NOT {text}" for own in without if (text := checked_text("a block", own, needed=False))]
    if len(blocks) > MOST_BLOCKS + 1:
        raise InvalidInput(f"{len(blocks) - 1} blocks", hint=f"at most {MOST_BLOCKS} are taken")
    return " ".join(blocks)


def draw(workspace: Workspace, wish: Wish, user: str) -> tuple[str, list[Job]]:
    """Put the jobs in the queue; the creation's id and the jobs. Several adapters are added up before."""
    identity = workspace.reserve("creations", _short_name(wish))
    _remember(workspace, identity, wish)
    added: list[Job] = []
    after: tuple[str, ...] = ()
    if wish.parts:
        model, job = mixed(workspace, wish.parts, user)
        wish, after = replace(wish, model=model, strength=1.0), (job.id,)
    for part, command in wish.commands(identity).items():
        folder = f"creations/{identity}/{part}".rstrip("/")
        title = shown(wish.prompt)[:120]
        request = JobRequest(command, user, folder=folder, title=title, priority=1, after=after)
        added.append(queue.add(workspace, request))
    return identity, added


_KEPT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def _remember(workspace: Workspace, identity: str, wish: Wish) -> None:
    """What the form said, so that the page with its pictures has it again."""
    kept = {"prompt": wish.prompt, "model": wish.model.key, "pictures": wish.pictures, "seed": wish.first_seed}
    kept |= {"guidance": wish.guidance, "strength": wish.strength, "steps": wish.steps, "scale": wish.scale}
    beside = wish.parts[1:]
    kept |= {"models": [own.model.key for own in beside], "strengths": [own.strength for own in beside]}
    write_json(_wish_file(workspace, identity), kept | {"negative": wish.negative})


def remembered(workspace: Workspace, identity: str) -> Wish | None:
    """What a creation was wished for; None where no form of ours did so, or its model is gone."""
    file = _wish_file(workspace, identity)
    if not file.is_file():
        return None
    try:
        kept: dict[str, Any] = read_record(file, _KEPT)
        return checked_wish(workspace, kept)
    except (InvalidInput, ValueError, TypeError):
        return None


def _wish_file(workspace: Workspace, identity: str) -> Path:
    folder = workspace.own / "wishes"
    folder.mkdir(exist_ok=True)
    return folder / f"{identity}.json"


def _short_name(wish: Wish) -> str:
    """The first words of the prompt without the token, and without small words at the end."""
    words = wish.prompt.replace(wish.model.token or "\0", "").split()[:7]
    while len(words) > 1 and words[-1] in _SMALL:
        words.pop()
    return " ".join(words)


# ----------------------------------------------------------------------------- from a picture


def drawn_with(recipe: Recipe) -> list[str]:
    """The options that draw as a recipe says, beside model, prompt and seed: what is not as it usually is."""
    settings = recipe.settings
    usual = type(settings)()
    options = {
        "num_steps": "--num-steps",
        "guidance_scale": "--guidance-scale",
        "scheduler": "--scheduler",
        "combiner": "--combiner",
        "refiner": "--refiner",
        "layout": "--layout",
        "screen": "--screen",
        "clip_skip": "--clip-skip",
    }
    found = [
        f"{option}={value:g}" if isinstance(value, float) else f"{option}={value}"
        for name, option in options.items()
        if (value := getattr(settings, name)) != getattr(usual, name)
    ]
    found += ["--redraw"] if settings.redraw else []
    found += [f"--negative-prompt={settings.negative_prompt}"] if settings.negative_prompt else []
    if settings.size_px is not None:
        sides = settings.size_px if isinstance(settings.size_px, tuple | list) else (settings.size_px, settings.size_px)
        found.append(f"--size={sides[0]}x{sides[1]}")
    return found


def model_of(workspace: Workspace, recipe: Recipe) -> Model | None:
    """The model here that drew a picture; None where its run is gone."""
    if recipe.origin.adapter is None:
        return Model("", 0, "", "", recipe.origin.base) if recipe.origin.base == "pocket" else None
    run, step = (
        recipe.origin.adapter.split("/")[-3:][0],
        recipe.origin.adapter.rpartition("step-")[2].lstrip("0") or "0",
    )
    try:
        return model_named(workspace, f"{run}@{step}")
    except InvalidInput:
        return None
