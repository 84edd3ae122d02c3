"""Orders: what programs may ask for, as records whose every field is checked, and the command line each becomes.

Ids name folders of the workspace; no field is a path, an address or an option. Values are passed as `--option=value`
and prompts after `--`, so no text is read as an option.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import write_json
from brandsmith.studio.bases import POCKET, base_named
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


class TrainOrder(Order):
    """`brandsmith train`"""

    concept: Id = DEMO
    method: Method = "lora"
    base: Id = POCKET
    settings: dict[Setting, Value] = Field(default_factory=dict, max_length=60)
    """As `--set` takes them: steps, learning_rate, rank, …"""
    previews: bool = True

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["train", self.method, *_concept(workspace, self.concept)]
        command += [f"--base={base_named(workspace, self.base)}"]
        command += [f"--set={key}={_text(value)}" for key, value in self.settings.items()]
        command += ["--previews"] if self.previews else []
        run = workspace.reserve("runs", self.name or f"{self.concept}-{self.method.replace('_', '-')}")
        return self._request([*command, f"--run=runs/{run}"], user, f"Train {self.concept}", f"runs/{run}")


class ResumeOrder(Order):
    """Go on with a training or study that was stopped: its own command again."""

    job: Id

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        from dataclasses import replace

        from brandsmith.studio.jobs import queue

        before = queue.find(workspace, self.job)
        if not before.over:
            raise InvalidInput(f"job {self.job} is {before.state}", hint="only what is over can be gone on with")
        return replace(before.request, user=user, priority=self.priority, key=self.key, after=self.after)


class SampleOrder(Order):
    """`brandsmith sample`"""

    prompts: list[Line] = Field(min_length=1, max_length=50)
    run: Id | None = None
    base: Id | None = None
    concept: Id = DEMO
    seeds: int = Field(4, ge=1, le=64)
    first_seed: int = Field(1000, ge=0, le=2**62)
    best_of: int | None = Field(None, ge=1, le=16)
    """Draw until each prompt has so many usable pictures."""
    draw: dict[DrawOption, Value] = Field(default_factory=dict)

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["sample", *_model(workspace, self.run, self.base), f"--first-seed={self.first_seed}"]
        if self.best_of:
            command += [*_concept(workspace, self.concept), f"--best-of={self.best_of}"]
        else:
            command += [f"--seeds={self.seeds}"]
        command += [f"--{option.replace('_', '-')}={_text(value)}" for option, value in self.draw.items()]
        out = workspace.reserve("creations", self.name or self.prompts[0])
        command += [f"--out=creations/{out}", "--", *self.prompts]
        return self._request(command, user, f"Draw {self.prompts[0]}", f"creations/{out}")


class JudgeOrder(Order):
    """`brandsmith judge run`: pictures of a run or a creation."""

    kind: Literal["runs", "creations"] = "creations"
    id: Id
    concept: Id = DEMO

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        workspace.there(self.kind, self.id)
        folder = f"{self.kind}/{self.id}"
        command = ["judge", "run", folder, *_concept(workspace, self.concept), "--json"]
        return self._request(command, user, f"Judge {self.id}", folder)


class DoctorOrder(Order):
    """`brandsmith doctor`"""

    lane: ClassVar[Lane] = "cpu"
    concept: Id = DEMO
    base: Id = POCKET

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["doctor", _place(workspace, self.concept), f"--base={base_named(workspace, self.base)}", "--json"]
        return self._request(command, user, f"Look at {self.concept}", accepts=DOCTOR_CODES)


class AdOrder(Order):
    """`brandsmith create ad`. `brief`: the keys of docs/ads.md but `concept`."""

    concept: Id = DEMO
    run: Id | None = None
    brief: dict[Setting, Any]

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        model, place = _model(workspace, self.run, None), _place(workspace, self.concept)
        out = workspace.reserve("creations", self.name or f"ad-{self.brief.get('headline', '')}")
        file = write_brief(workspace, out, {**self.brief, "concept": _from_brief(place)})
        command = ["create", "ad", file, *model, f"--out=creations/{out}", "--json"]
        return self._request(command, user, f"Ad {self.brief.get('headline', '')}", f"creations/{out}", AD_CODES)


class MoodboardOrder(Order):
    """`brandsmith create moodboard`"""

    theme: Line
    concept: Id = DEMO
    run: Id | None = None

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["create", "moodboard", *_model(workspace, self.run, None), *_concept(workspace, self.concept)]
        out = workspace.reserve("creations", self.name or f"mood-{self.theme}")
        command += [f"--out=creations/{out}", "--json", "--", self.theme]
        return self._request(command, user, f"Mood board {self.theme}", f"creations/{out}")


class ExportOrder(Order):
    """`brandsmith export`: one file that other programs read (a folder for DreamBooth in diffusers' layout)."""

    lane: ClassVar[Lane] = "cpu"
    run: Id
    to: Literal["diffusers", "kohya", "comfyui", "a1111", "single-file", "compact"] | None = None

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        workspace.there("runs", self.run)
        out = workspace.reserve("creations", self.name or f"{self.run}-{self.to or 'export'}")
        file = f"creations/{out}/{self.run}" + (".safetensors" if self.to != "diffusers" else "")
        command = ["export", f"runs/{self.run}", f"--out={file}", *([f"--to={self.to}"] if self.to else [])]
        return self._request(command, user, f"Export {self.run}", f"creations/{out}")


class StudyOrder(Order):
    """`brandsmith study run`. `study`: the keys of docs/studies.md that name no place."""

    concept: Id = DEMO
    base: Id = POCKET
    study: dict[StudyKey, Any]

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        place, base = _place(workspace, self.concept), base_named(workspace, self.base)
        out = workspace.reserve("studies", self.name or f"{self.concept}-study")
        keys: dict[str, Any] = {str(key): value for key, value in self.study.items()}
        file = write_brief(workspace, out, {**keys, "name": out, "concept": place, "base": base})
        command = ["study", "run", file, f"--out=studies/{out}", "--json"]
        return self._request(command, user, f"Study of {self.concept}", f"studies/{out}")


ORDERS: Mapping[str, type[Order]] = {
    "train": TrainOrder,
    "resume": ResumeOrder,
    "sample": SampleOrder,
    "judge": JudgeOrder,
    "doctor": DoctorOrder,
    "ad": AdOrder,
    "moodboard": MoodboardOrder,
    "export": ExportOrder,
    "study": StudyOrder,
}
"""By the name that programs use."""


def write_brief(workspace: Workspace, name: str, brief: Mapping[str, Any]) -> str:
    """A brief for a command, from the workspace: JSON, which is YAML too."""
    folder = workspace.own / "briefs"
    folder.mkdir(exist_ok=True)
    write_json(folder / f"{name}.yaml", brief)
    return f".studio/briefs/{name}.yaml"


def _concept(workspace: Workspace, identity: str) -> list[str]:
    return [f"--concept={_place(workspace, identity)}"]


def _place(workspace: Workspace, identity: str) -> str:
    """A concept as commands name it. Raises MissingResource when there is none."""
    if identity == DEMO:
        return DEMO
    workspace.there("concepts", identity)
    return f"concepts/{identity}"


def _from_brief(place: str) -> str:
    """A concept as a brief names it: from the brief's own folder."""
    return place if place == DEMO else f"../../{place}"


def _model(workspace: Workspace, run: str | None, base: str | None) -> list[str]:
    found = [f"--base={base_named(workspace, base)}"] if base else []
    if run is not None:
        workspace.there("runs", run)
        found.append(f"--run=runs/{run}")
    return found


def _text(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
