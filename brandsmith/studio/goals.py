"""What somebody wants to teach, and the settings that follow, each with its reason (`words/`, keys `why.*`).

A goal names a method and the few settings that differ because of it; everything else stays the method's own default, or
the preset of the base. The advice is the thesis': detail and little data → DreamBooth or LoRA, aesthetics → Textual
Inversion; `docs/usable.md` has what we measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from brandsmith.studio.bases import base_named
from brandsmith.studio.concept_view import ConceptView
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job, JobRequest
from brandsmith.studio.orders.order import Line, Method
from brandsmith.studio.workspace import Workspace

Value = bool | int | float | str
NUM_DRAWN = 4
"""Pictures that are drawn after a training."""


@dataclass(frozen=True)
class Reason:
    setting: str
    """As `--set` names it; `method` and `previews` are options of their own."""
    value: Value
    why: str
    """Key of the sentence."""


@dataclass(frozen=True)
class Goal:
    name: str
    class_word: str
    method: Method
    reasons: tuple[Reason, ...]

    def settings(self) -> dict[str, Value]:
        return {one.setting: one.value for one in self.reasons if one.setting not in ("method", "previews")}


_PREVIEWS = Reason("previews", True, "why.previews")
_STATE = Reason("keep_state", True, "why.keep_state")
GOALS: Mapping[str, Goal] = {
    goal.name: goal
    for goal in (
        Goal("logo", "logo", "lora", (Reason("method", "lora", "why.logo_lora"), _PREVIEWS, _STATE)),
        Goal(
            "product",
            "bottle",
            "dreambooth",
            (Reason("method", "dreambooth", "why.product_dreambooth"), _PREVIEWS, Reason("views", 4, "why.views")),
        ),
        Goal(
            "garment",
            "logo",
            "lora",
            (
                Reason("method", "lora", "why.garment_lora"),
                _PREVIEWS,
                Reason("buckets", True, "why.buckets"),
                _STATE,
            ),
        ),
        Goal(
            "style",
            "style",
            "lora",
            (
                Reason("method", "lora", "why.style_lora"),
                _PREVIEWS,
                Reason("caption_dropout", 0.1, "why.caption_dropout"),
                Reason("mirror_views", True, "why.mirror_views"),
                Reason("views", 4, "why.views"),
            ),
        ),
        Goal(
            "person",
            "person",
            "dreambooth",
            (
                Reason("method", "dreambooth", "why.person_dreambooth"),
                _PREVIEWS,
                Reason("prior_weight", 1.0, "why.prior_weight"),
            ),
        ),
    )
}


def reasons_for(goal: Goal, view: ConceptView) -> list[Reason]:
    """A goal's reasons, and those that follow from the concept itself."""
    found = list(goal.reasons)
    if goal.name in ("logo", "garment", "product") and (view.num_masked or view.num_made):
        found.append(Reason("mask_weight", 5.0, "why.mask_weight"))
    if view.config and view.config.expected_text:
        found = [one for one in found if one.setting != "mirror_views"]
    if not view.config or len(view.pictures) + view.num_made >= 12:
        return found
    return [*found, Reason("preservation_weight", 0.5, "why.preservation")]


class TrainForm(BaseModel):
    """The wizard's fields; empty ones stay what the method has."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)
    goal: str = "logo"
    method: Method = "lora"
    base: str = "pocket"
    name: str = Field("", max_length=80)
    previews: bool = False
    steps: int | None = Field(None, ge=1, le=100_000)
    learning_rate: float | None = Field(None, gt=0, le=10)
    batch_size: int | None = Field(None, ge=1, le=256)
    rank: int | None = Field(None, ge=1, le=1024)
    seed: int | None = Field(None, ge=0, le=2**31)
    settings: dict[str, Value] = Field(default_factory=dict)
    """Those of the goal that stayed ticked."""
    then: Line | Literal[""] = ""
    """A prompt that is drawn when the training is done."""

    def options(self) -> list[str]:
        """As `brandsmith train` takes them, without the run's folder."""
        given = dict(self.settings)
        for key in ("steps", "learning_rate", "batch_size", "seed"):
            if getattr(self, key) is not None:
                given[key] = getattr(self, key)
        if self.rank is not None and self.method == "lora":
            given["rank"] = self.rank
        return [f"--set={key}={_text(value)}" for key, value in given.items()]


def train_command(workspace: Workspace, identity: str, form: TrainForm) -> list[str]:
    """The training without its folder. Raises MissingResource, InvalidConfig for an unknown base."""
    workspace.there("concepts", identity)
    base = base_named(workspace, form.base)
    return ["brandsmith", "train", form.method, f"--concept=concepts/{identity}", f"--base={base}", *form.options()]


def estimate(workspace: Workspace, identity: str, form: TrainForm, user: str) -> Job:
    """Ask what the training would take; the same question is asked once."""
    command = (*train_command(workspace, identity, form), "--dry-run", "--json")
    key = f"estimate-{identity}-{hashlib.sha256(repr(command).encode()).hexdigest()[:16]}"
    return queue.add(workspace, JobRequest(command, user, "cpu", title=f"Estimate: {identity}", priority=1, key=key))


def start_training(workspace: Workspace, identity: str, form: TrainForm, user: str) -> str:
    """Queue the training; its run's id."""
    command = train_command(workspace, identity, form)
    run = workspace.reserve("runs", form.name or f"{identity}-{form.method.replace('_', '-')}")
    command += [*(["--previews"] if form.previews else []), f"--run=runs/{run}"]
    job = queue.add(workspace, JobRequest(tuple(command), user, "gpu", f"runs/{run}", f"Training: {run}"))
    if form.then:
        queue.add(workspace, _drawing_after(workspace, identity, job, form.then, user))
    return run


def _drawing_after(workspace: Workspace, identity: str, training: Job, prompt: str, user: str) -> JobRequest:
    """Pictures of what a training will have learnt, with verdicts where the concept has judges by then."""
    out = f"creations/{workspace.reserve('creations', prompt)}"
    command = ["brandsmith", "sample", "--run", training.request.folder, "--seeds", str(NUM_DRAWN), "--out", out]
    if (workspace.item("concepts", f"{identity}-judges") / "card.json").is_file():
        command += ["--judge", "--concept", f"concepts/{identity}"]
    command += ["--", prompt]
    return JobRequest(tuple(command), user, folder=out, title=prompt[:120], after=(training.id,))


def continue_training(workspace: Workspace, run: str, command: Sequence[str], steps: int, user: str) -> Job:
    """Go on with a finished run that kept its state."""
    more = [one for one in command if not one.startswith(("--more-steps", "--set=steps="))]
    request = JobRequest((*more, f"--more-steps={steps}"), user, "gpu", f"runs/{run}", f"Training: {run}")
    return queue.add(workspace, request)


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
