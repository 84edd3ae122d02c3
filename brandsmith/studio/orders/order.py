"""Orders: what programs may ask for, as records whose every field is checked, and the command line each becomes.
This file: what all share.

Ids name folders of the workspace; no field is a path, an address or an option. Values are passed as `--option=value`
and prompts after `--`, so no text is read as an option.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import write_json, write_text
from brandsmith.studio.bases import base_named
from brandsmith.studio.jobs.record import JobRequest, Lane
from brandsmith.studio.workspace import LONGEST_ID, Workspace

DEMO = "demo"
Id = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
JobId = Annotated[str, StringConstraints(pattern=r"^[0-9]{6,12}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Setting = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Value = bool | int | float | Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Method = Literal["dreambooth", "lora", "textual_inversion", "hypernetwork"]
DrawOption = Literal[
    "guidance",
    "num_steps",
    "guidance_scale",
    "scheduler",
    "combiner",
    "refiner",
    "layout",
    "screen",
    "size",
    "negative_prompt",
    "batch_size",
]
"""Options of `sample` that an order may set, as its help names them."""
StudyKey = Literal["methods", "training_seeds", "checkpoints", "cases", "kpi", "search", "halving", "budget", "packed"]
"""Keys of a study that name no place: storage and trackers are the machine's owner's to choose."""
DOCTOR_CODES = AD_CODES = (0, 1)
"""1: the doctor found faults; some format of an ad was refused."""


class Order(BaseModel, ABC):
    """What all orders share. `request` writes nothing but an empty folder for what will be made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    lane: ClassVar[Lane] = "gpu"
    name: str = Field("", max_length=80)
    """What the result shall be called; default from what is asked for."""
    priority: Literal[-1, 0, 1] = 0
    key: str = Field("", max_length=80)
    """The same key again is the same job: for programs that ask again after a broken connection."""
    after: tuple[JobId, ...] = Field((), max_length=8)
    """Jobs that must be done before, such as the training whose adapter shall draw. When one of them fails or is
    cancelled, so is this one."""

    @abstractmethod
    def request(self, workspace: Workspace, user: str) -> JobRequest:
        """Raises InvalidInput, MissingResource or InvalidConfig for what is not there."""

    def _request(
        self, command: list[str], user: str, title: str, folder: str = "", accepts: tuple[int, ...] = (0,)
    ) -> JobRequest:
        return JobRequest(
            ("brandsmith", *command), user, self.lane, folder, title[:120], self.priority, accepts, self.key, self.after
        )


def write_brief(workspace: Workspace, name: str, brief: Mapping[str, Any]) -> str:
    """A brief for a command, from the workspace: JSON, which is YAML too."""
    folder = workspace.own / "briefs"
    folder.mkdir(exist_ok=True)
    write_json(folder / f"{name}.yaml", brief)
    return f".studio/briefs/{name}.yaml"


def write_table(workspace: Workspace, name: str, table: str) -> str:
    """A catalogue's table, from the workspace. Raises InvalidInput with every fault of it; then it does not stay."""
    from brandsmith.create.products import read_products

    file = workspace.own / "briefs" / f"{name}.csv"
    file.parent.mkdir(exist_ok=True)
    write_text(file, table)
    try:
        read_products(file)
    except BrandsmithError:
        file.unlink()
        raise
    return f".studio/briefs/{name}.csv"


def concept_option(workspace: Workspace, identity: str) -> list[str]:
    return [f"--concept={place_of(workspace, identity)}"]


def place_of(workspace: Workspace, identity: str) -> str:
    """A concept as commands name it. Raises MissingResource when there is none."""
    if identity == DEMO:
        return DEMO
    workspace.there("concepts", identity)
    return f"concepts/{identity}"


def from_brief(place: str) -> str:
    """A concept as a brief names it: from the brief's own folder."""
    return place if place == DEMO else f"../../{place}"


def model_options(workspace: Workspace, run: str | None, base: str | None) -> list[str]:
    found = [f"--base={base_named(workspace, base)}"] if base else []
    if run is not None:
        workspace.there("runs", run)
        found.append(f"--run=runs/{run}")
    return found


def text_of(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
