"""Orders about what is taught: the doctor, trainings, studies, judging, exports."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.bases import POCKET, base_named
from brandsmith.studio.jobs.record import JobRequest, Lane
from brandsmith.studio.orders.order import (
    DEMO,
    DOCTOR_CODES,
    Id,
    Method,
    Order,
    Setting,
    StudyKey,
    Value,
    concept_option,
    place_of,
    text_of,
    write_brief,
)
from brandsmith.studio.workspace import Workspace


class TrainOrder(Order):
    """`brandsmith train`"""

    concept: Id = DEMO
    method: Method = "lora"
    base: Id = POCKET
    settings: dict[Setting, Value] = Field(default_factory=dict, max_length=60)
    """As `--set` takes them: steps, learning_rate, rank, …"""
    previews: bool = True

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["train", self.method, *concept_option(workspace, self.concept)]
        command += [f"--base={base_named(workspace, self.base)}"]
        command += [f"--set={key}={text_of(value)}" for key, value in self.settings.items()]
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


class JudgeOrder(Order):
    """`brandsmith judge run`: pictures of a run or a creation."""

    kind: Literal["runs", "creations"] = "creations"
    id: Id
    concept: Id = DEMO

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        workspace.there(self.kind, self.id)
        folder = f"{self.kind}/{self.id}"
        command = ["judge", "run", folder, *concept_option(workspace, self.concept), "--json"]
        return self._request(command, user, f"Judge {self.id}", folder)


class DoctorOrder(Order):
    """`brandsmith doctor`"""

    lane: ClassVar[Lane] = "cpu"
    concept: Id = DEMO
    base: Id = POCKET

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        command = ["doctor", place_of(workspace, self.concept), f"--base={base_named(workspace, self.base)}", "--json"]
        return self._request(command, user, f"Look at {self.concept}", accepts=DOCTOR_CODES)


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
        place, base = place_of(workspace, self.concept), base_named(workspace, self.base)
        out = workspace.reserve("studies", self.name or f"{self.concept}-study")
        keys: dict[str, Any] = {str(key): value for key, value in self.study.items()}
        file = write_brief(workspace, out, {**keys, "name": out, "concept": place, "base": base})
        command = ["study", "run", file, f"--out=studies/{out}", "--json"]
        return self._request(command, user, f"Study of {self.concept}", f"studies/{out}")


class ReportOrder(Order):
    """`brandsmith report`: a study's page and tables, into the study's folder `report`."""

    lane: ClassVar[Lane] = "cpu"
    study: Id

    def request(self, workspace: Workspace, user: str) -> JobRequest:
        workspace.there("studies", self.study)
        folder = f"studies/{self.study}/report"
        return self._request(
            ["report", f"studies/{self.study}", f"--out={folder}"], user, f"Report {self.study}", folder
        )
