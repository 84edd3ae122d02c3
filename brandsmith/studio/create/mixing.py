"""Several adapters at once: LoRAs are added up as one run, by `brandsmith lora merge`, before it draws."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.create.checks import checked_number
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.models import Model, model_named
from brandsmith.studio.workspace import Workspace

MOST_ADAPTERS = 4
WEAKEST, STRONGEST = -2.0, 3.0


@dataclass(frozen=True)
class Part:
    model: Model
    strength: float

    @property
    def folder(self) -> str:
        return f"runs/{self.model.run}/checkpoints/step-{self.model.step:06d}"


def checked_parts(
    workspace: Workspace, first: Model, strength: float, models: Sequence[str], strengths: Sequence[Any]
) -> tuple[Part, ...]:
    """The first adapter and those beside it; nothing for one alone. Raises InvalidInput for what cannot be added up."""
    if not models:
        return ()
    found = [Part(first, strength)]
    for number, key in enumerate(models):
        given = float(strengths[number]) if number < len(strengths) else 1.0
        found.append(Part(model_named(workspace, key), checked_number("strength", given, WEAKEST, STRONGEST)))
    if len(found) > MOST_ADAPTERS:
        raise InvalidInput(f"{len(found)} adapters", hint=f"at most {MOST_ADAPTERS} are taken")
    for own in found:
        if own.model.method != "lora":
            raise InvalidInput(f"'{own.model.key}' is no LoRA", hint="only LoRAs can be added up; choose one at a time")
    if len({own.model.base for own in found}) > 1:
        raise InvalidInput("these adapters are of different bases", hint="choose those that one base was taught")
    if len({own.model.key for own in found}) < len(found):
        raise InvalidInput("an adapter is there twice", hint="give it one strength")
    return tuple(found)


def mixed(workspace: Workspace, parts: Sequence[Part], user: str) -> tuple[Model, Job]:
    """The run that holds them all, and the job that makes it; one that was made before is taken."""
    told = repr([(own.folder, own.strength) for own in parts])
    key = f"mix-{hashlib.sha256(told.encode()).hexdigest()[:24]}"
    known = [job for job in queue.jobs(workspace) if job.request.key.startswith(key)]
    job = next((own for own in reversed(known) if own.state not in queue.NOT_DONE), None)
    if job is None or (job.state == "done" and not (workspace.folder / job.request.folder / "checkpoints").is_dir()):
        job = _ordered(workspace, parts, f"{key}-{len(known)}", user)
    run = job.request.folder.partition("/")[2]
    return replace(parts[0].model, run=run, step=0, steps=(0,)), job


def _ordered(workspace: Workspace, parts: Sequence[Part], key: str, user: str) -> Job:
    names = [own.model.run for own in parts]
    run = workspace.reserve("runs", "-with-".join(names))
    command = ["brandsmith", "lora", "merge", *(own.folder for own in parts)]
    command += [f"--weight={own.strength:g}" for own in parts]
    command += [f"--base={parts[0].model.base}", f"--run=runs/{run}"]
    request = JobRequest(tuple(command), user, "cpu", f"runs/{run}", " + ".join(names)[:120], priority=1, key=key)
    return queue.add(workspace, request)
