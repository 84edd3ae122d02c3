"""Items and jobs as programs read them: plain JSON, from the files that commands left."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from brandsmith.concept.concept import ConceptConfig
from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.core.files import write_text
from brandsmith.core.json_files import read_object
from brandsmith.core.pictures import list_pictures
from brandsmith.core.run import RunDirectory
from brandsmith.core.text import read_text
from brandsmith.core.yaml_lines import read_yaml
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.verdicts import pictures_with_verdicts
from brandsmith.studio.workspace import Workspace

LATEST_ROWS = 20


class NewConcept(BaseModel):
    """A concept's own keys and what it shall be called."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1, max_length=80)
    config: ConceptConfig


def make_concept(workspace: Workspace, concept: NewConcept) -> str:
    """The id of a new concept without pictures."""
    identity = workspace.reserve("concepts", concept.name)
    folder = workspace.item("concepts", identity)
    given = concept.config.model_dump(mode="json")
    write_text(folder / "concept.yaml", yaml.safe_dump(given, allow_unicode=True, sort_keys=False))
    (folder / "images").mkdir()
    return identity


def item(workspace: Workspace, kind: str, identity: str, most: int = 60) -> dict[str, Any]:
    """Raises MissingResource when there is no such item."""
    folder = workspace.there(kind, identity)
    own = {"concepts": concept_json, "runs": _run, "studies": _study, "creations": _creation}[kind]
    pictures = pictures_with_verdicts(workspace, kind, identity, most)
    address = f"/pictures/{kind}/{identity}"
    shown = [picture.as_json() | {"address": f"{address}/{picture.path}"} for picture in pictures]
    return {"kind": kind, "id": identity, **own(folder), "pictures": shown}


def concept_json(folder: Path) -> dict[str, Any]:
    """What `concept.yaml` says, and how many pictures there are."""
    found: dict[str, Any] = {"num_pictures": len(list_pictures(folder / "images", quiet=True))}
    with suppress(BrandsmithError):
        found["config"] = read_yaml(read_text(folder / "concept.yaml")).value
    return found


def _run(folder: Path) -> dict[str, Any]:
    run = RunDirectory(folder)
    if not run.config_file.exists():
        return {"status": "new", "step": 0}
    config = run.config()
    return {
        "status": run.status(),
        "step": run.step(),
        "config": config,
        "checkpoints": [step for step, _ in run.checkpoints()],
        "metrics": run.metrics()[-LATEST_ROWS:],
    }


def _study(folder: Path) -> dict[str, Any]:
    return {"result": _object(folder / "result.json"), "report": (folder / "report.html").exists()}


def _creation(folder: Path) -> dict[str, Any]:
    files = [file.relative_to(folder).as_posix() for file in sorted(folder.rglob("*")) if file.is_file()]
    shown = [file for file in files if not any(part.startswith(".") for part in file.split("/"))]
    return {"manifest": _object(folder / "manifest.json"), "files": shown[:500]}


def _object(file: Path) -> dict[str, Any] | None:
    with suppress(InvalidInput):
        return read_object(file) if file.exists() else None
    return None


def log_tail(workspace: Workspace, job: Job, most_bytes: int) -> str:
    """The end of what a job printed; empty before it began."""
    file = queue.job_folder(workspace, job.id) / "log.txt"
    if not file.exists():
        return ""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - most_bytes))
        return opened.read(most_bytes).decode("utf-8", "replace")


def last_json(workspace: Workspace, job: Job) -> dict[str, Any] | None:
    """What a command with `--json` printed as its last line; None when it printed none."""
    from brandsmith.core.json_files import parse_json

    for line in reversed(log_tail(workspace, job, 1 << 20).splitlines()):
        if line.startswith("{"):
            with suppress(ValueError):
                found = parse_json(line)
                return found if isinstance(found, dict) else None
    return None
