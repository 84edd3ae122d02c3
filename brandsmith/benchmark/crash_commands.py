"""What `brandsmith benchmark crash` kills: every command that works for long or writes what others read, made small.

Each is the function behind the command, on the demo concept and pocket. It writes below one folder, and reads what
other commands of the list left.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from brandsmith.benchmark.crash_switches import SWITCHES, train_with_switches
from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.draw.source import find_source
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.evaluate.album_scores import judge_all
from brandsmith.export.export_run import export_run
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.command import train_named
from brandsmith.report.html import write_report
from brandsmith.study.command import run_study

Work = Callable[[Path, Path], Any]
"""Called as (folder with what other commands left, each under its name; folder to write into)."""

CONCEPT, BASE = "demo", "pocket"
PROMPTS = ("a red_qoga_logo", "a blue sweater with a red_qoga_logo")
DRAWN = {"num_steps": 2, "batch_size": 2}
STEPS = {"steps": 4, "checkpoint_every": 2, "batch_size": 1}
SMALL = {
    "dreambooth": ("num_class_images=2", "class_image_steps=2"),
    "lora": ("rank=4",),
    "textual_inversion": (),
    "hypernetwork": (),
}
"""Settings that keep a training short."""
STUDY: Mapping[str, Any] = {
    "name": "crash",
    "concept": CONCEPT,
    "base": BASE,
    "training_seeds": [0],
    "checkpoints": 2,
    "methods": [
        {"method": "textual_inversion", "fixed": {"steps": 4}, "search": {"learning_rate": [0.001]}},
        {"method": "hypernetwork", "fixed": {"steps": 4}},
    ],
    "cases": {"prompts": ["a {token}", "a blue {token}"], "selection_seeds": [1], "report_seeds": [2], "draw": DRAWN},
}


@dataclass(frozen=True)
class CrashCommand:
    """One command and what it needs."""

    name: str
    work: Work
    needs: tuple[str, ...] = ()
    """Other commands that are done before, each in its folder."""
    begins_with: str | None = None
    """The command whose files stand in the folder before this one writes into it."""


def _train(method: str, given: Path, out: Path) -> None:
    train_named(
        method,
        CONCEPT,
        BASE,
        out / "run",
        given=STEPS,
        pairs=SMALL[method],
        trackers=[],
        console=Console(quiet=True),
    )


def _sample(given: Path, out: Path) -> None:
    source = find_source(given / "train-textual_inversion" / "run", None, None)
    draw_to_folder(PROMPTS, (1, 2, 3), DrawSettings(**DRAWN), source, out / "pictures")


def _judge(given: Path, out: Path) -> None:
    judge_all(
        out / "pictures", concept_name=CONCEPT, base_name=None, step=None, detections=None, weights=None, check=False
    )


def _study(given: Path, out: Path) -> None:
    run_study(STUDY, out / "study")


def _export(method: str, name: str, given: Path, out: Path) -> None:
    with suppress(InvalidConfig) if (out / name).exists() else nullcontext():  # a complete one is not written again
        export_run(given / f"train-{method}" / "run", out / name)


def _report(given: Path, out: Path) -> None:
    write_report(given / "study" / "study", out / "report")


ALL = (
    *(CrashCommand(f"train-{method}", partial(_train, method)) for method in SMALL),
    CrashCommand("sample", _sample, needs=("train-textual_inversion",)),
    CrashCommand("judge", _judge, needs=("sample",), begins_with="sample"),
    CrashCommand("study", _study),
    CrashCommand("export-lora", partial(_export, "lora", "lora.safetensors"), needs=("train-lora",)),
    CrashCommand("export-hypernetwork", partial(_export, "hypernetwork", "network.pt"), needs=("train-hypernetwork",)),
    CrashCommand("export-dreambooth", partial(_export, "dreambooth", "whole"), needs=("train-dreambooth",)),
    CrashCommand("report", _report, needs=("study",)),
    *(CrashCommand(f"train-switches-{method}", partial(train_with_switches, method)) for method in SWITCHES),
)
COMMANDS = {command.name: command for command in ALL}


def commands_named(names: Sequence[str]) -> list[CrashCommand]:
    """Those of the list (all when `names` is empty). Raises InvalidConfig for an unknown one."""
    for name in names:
        if name not in COMMANDS:
            raise unknown_name("command", name, COMMANDS)
    return [command for command in ALL if not names or command.name in names]


def begin(command: CrashCommand, given: Path, out: Path) -> None:
    """Put `out` into the state that the command begins from: empty, or with another one's files."""
    shutil.rmtree(out, ignore_errors=True)
    if command.begins_with:
        shutil.copytree(given / command.begins_with, out)
    else:
        out.mkdir(parents=True)
