"""Command lines: every option of every command with odd values, and whole commands over mutated inputs."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bases import build_tiny, save_as_diffusers_folder
from campaign_folders import mutated_file, write_run
from campaign_harness import Input, command
from campaign_mutations import NAUGHTY, mutated_text
from campaign_pictures import TOKEN, drawing, mutated_yaml, whole_pictures, write_concept_folder
from studies import build_study
from typer.main import get_command

import brandsmith.benchmark.command
import brandsmith.evaluate.command
from brandsmith.cli.main import app
from brandsmith.guidance.sampling import check_drawable
from brandsmith.guidance.settings import DrawSettings, build_draw_settings

LOADED = (brandsmith.benchmark.command, brandsmith.evaluate.command)
"""Before the first input: loading torch and diffusers is nobody's hang."""
NUMBERS = (
    "-1",
    "0",
    "1",
    "2",
    "1.5",
    "1e3",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "10" * 15,
    "0x4",
    "1_0",
    "٣",
    "½",
    "--",
    "true",
)
NEEDED = {
    "train": ("lora",),
    "sample": ("a cat",),
    "explain": ("a cat",),
    "export": ("nowhere",),
    "report": ("nowhere",),
}
DEAD_END = {"--concept": "nowhere", "--base": "nowhere", "--run": "nowhere"}
"""What lets no command begin, whatever else it is given."""


def commands(group: Any = None, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for name, own in (group or get_command(app)).commands.items():
        if hasattr(own, "commands"):
            yield from commands(own, (*before, name))
        else:
            yield (*before, name), own.params


def options(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Any options of any command, odd values for them, and somewhere a name that is nowhere."""
    place = scratch / "options"
    (place / "folder").mkdir(parents=True)
    (place / "file").write_text("mine")
    (place / "link").symlink_to("nothing")
    os.chdir(place)
    every = list(commands())
    places = (
        "file",
        "folder",
        "file/below",
        "link",
        "nowhere",
        "[x]",
        "-",
        "~",
        "/dev/null/x",
        "x" * 300,
        "folder/new",
    )
    while True:
        words, params = draw.choice(every)
        named = {one.opts[0]: one for one in params if one.opts[0].startswith("--") and one.opts[0] != "--help"}
        chosen = draw.sample(sorted(named), min(len(named), draw.choice((0, 1, 1, 2, 4))))
        line: list[str] = [*words, *_arguments(draw, words, params, places)]
        for option in chosen:
            line.append(option)
            if not getattr(named[option], "is_flag", False):
                line.append(
                    draw.choice((draw.choice(NUMBERS), draw.choice(places), draw.choice(NAUGHTY), "demo", "pocket"))
                )
        dead_end = next((o for o in ("--base", "--concept", "--run") if o in named and o not in chosen), None)
        line += [dead_end, DEAD_END[dead_end]] if dead_end else []
        if draw.random() < 0.1:
            line.append(draw.choice((*NAUGHTY, "--colour", "-x", "--help=1", "--")))
        if not _can_begin(line, dead_end):
            yield Input("options", " ".join(line)[:160], command(*line), place, out=place / "out")


def _can_begin(line: list[str], dead_end: str | None) -> bool:
    """Whether the line may be a valid one that works for minutes, or serves until it is stopped."""
    if "--random-sd15" in line or line[:1] in (["studio"], ["mcp"]):
        return True
    heavy = {"demo", "benchmark", "fit", "check", "leakage", "overfit", "yolov8", "build", "fetch"}
    return bool(heavy & set(line[:3])) and (dead_end is None or line[:2] in (["judge", "fit"], ["judge", "check"]))


def _arguments(draw: random.Random, words: tuple[str, ...], params: list[Any], places: tuple[str, ...]) -> list[str]:
    given = []
    for one in params:
        if one.opts[0].startswith("--") or draw.random() < 0.1:
            continue
        usual = NEEDED.get(words[0], ("nowhere",))[0]
        given.append(usual if draw.random() < 0.6 else draw.choice((*places, *NAUGHTY)))
    return given


def prompts(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """The prompt language, and draw settings from options."""
    place = scratch / "prompts"
    place.mkdir()
    valid = f"a blue cat AND a (yellow:1.3) bowl NOT a {{red {TOKEN}}}, by night"
    while True:
        text = mutated_text(draw, valid).decode("utf-8", "replace")[: draw.choice((80, 800, 60_000))]
        given: dict[str, Any] = {
            "combiner": draw.choice(("cfg", "composable", "regional", "x")),
            "refiner": draw.choice(("none", "attend_excite", None)),
            "num_steps": draw.choice((1, 20, 0, 1001, -1)),
            "guidance_scale": draw.choice((0.0, 7.5, -1.0, float("nan"), float("inf"), 1e30)),
            "scheduler": draw.choice(("ddim", "euler", "dpm++", "pndm", "x", "")),
            "size_px": draw.choice((None, (64, 64), (7, 9), (0, 0), (10**6, 8))),
        }

        def call(text: str = text, given: dict[str, Any] = given) -> DrawSettings:
            chosen = build_draw_settings(draw.choice((None, "faithful")), **given)
            check_drawable([text], chosen)
            return chosen

        yield Input("prompts", text[:80], call, place)


# ----------------------------------------------------------------------------- whole commands


def trainings(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """`train` for one step over a concept of which a file was changed."""
    place = scratch / "training"
    brand = write_concept_folder(place / "brand")
    save_as_diffusers_folder(build_tiny(), place / "tiny")
    names = ["concept.yaml", "images/0.txt", "images/0.png"]
    whole = {name: (brand / name).read_bytes() for name in names}
    out = place / "run"
    while True:
        name = draw.choice(names)
        if name == "concept.yaml":
            changed = mutated_yaml(draw, {"token": TOKEN, "class_word": "logo", "expected_text": "QOGA"})
        elif name.endswith("txt"):
            changed = mutated_text(draw, whole[name].decode())
        else:
            changed = mutated_file(draw, brand / name, draw.choice(list(whole_pictures().values())))
        (brand / name).write_bytes(changed)
        call = command(
            "train",
            "lora",
            "--concept",
            brand,
            "--base",
            place / "tiny",
            "--steps",
            1,
            "--run",
            out,
            "--set",
            "rank=2",
            *(("--no-doctor",) if draw.random() < 0.5 else ()),
        )
        yield Input(
            "trainings",
            f"{name}: {changed[:60]!r}",
            call,
            place,
            out=out,
            right=lambda lines: "" if len(lines) == 1 else str(lines),
        )
        shutil.rmtree(out, ignore_errors=True)
        (brand / name).write_bytes(whole[name])


def drawings(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """`sample`, `export` and `explain` over a run of which a file was changed."""
    place = scratch / "drawing"
    tiny = build_tiny()
    save_as_diffusers_folder(tiny, place / "tiny")
    run = write_run(place / "run", tiny)
    out = place / "out"
    files = ["config.json", "checkpoints/step-000003/pytorch_lora_weights.safetensors"]
    whole = {name: (run / name).read_bytes() for name in files}
    lines: dict[str, list[object]] = {
        "sample": [
            "sample",
            "a cat",
            "--seeds",
            1,
            "--num-steps",
            1,
            "--base",
            place / "tiny",
            "--run",
            run,
            "--out",
            out,
        ],
        "export": ["export", run, "--out", out],
    }
    while True:
        name, which = draw.choice(files), draw.choice(sorted(lines))
        changed = mutated_file(draw, run / name, whole[name])
        (run / name).write_bytes(changed)
        yield Input(
            "drawings",
            f"{which} {name}: {changed[:60]!r}",
            command(*lines[which]),
            place,
            out=out,
            right=wrong_output(out),
        )
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)
        (run / name).write_bytes(whole[name])


def wrong_output(out: Path) -> Any:
    def wrong(lines: object) -> str:
        return (
            ""
            if isinstance(lines, list) and lines and all(Path(line).exists() for line in lines) and out.exists()
            else f"{lines}"
        )

    return wrong


def judged(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """`judge run` on a folder with one picture that was changed."""
    place = scratch / "judged"
    place.mkdir()
    drawing(64).save(place / "whole.png")
    whole = whole_pictures()
    number = 0
    while True:
        number += 1
        name = draw.choice(sorted(whole))
        file = place / f"{number}{Path(name).suffix}"
        file.write_bytes(mutated_file(draw, file, whole[name]))
        call = command("judge", "run", place, "--no-check", "--no-floor")
        one = Input(
            "judged",
            name,
            call,
            place,
            out=place / "judged",
            right=lambda lines: "" if lines else "nothing was printed",
        )
        yield one
        shutil.rmtree(place / "judged", ignore_errors=True)
        file.unlink()


def study_commands(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """`report`, `benchmark earlystop`, `study replicate` and `study run` over a study of which a file was changed."""
    place = scratch / "study-commands"
    study = build_study(place / "study", pictures=False)
    out = place / "out"
    trial = study / "trials" / "lora-1-seed0"
    files = [study / "study.json", study / "study.yaml", trial / "trial.json", trial / "scores.jsonl"]
    files = [file for file in files if file.is_file()]
    whole = {file: file.read_bytes() for file in files}
    lines: list[list[object]] = [
        ["report", study, "--out", out],
        ["benchmark", "earlystop", study, "--replays", 2],
        ["study", "replicate", study],
        ["study", "run", study / "study.yaml", "--out", study],
    ]
    while True:
        file, line = draw.choice(files), draw.choice(lines)
        changed = mutated_file(draw, file, whole[file])
        file.write_bytes(changed)
        yield Input("study commands", f"{line[0]} {file.name}: {changed[:60]!r}", command(*line), place, out=out)
        shutil.rmtree(out, ignore_errors=True)
        file.write_bytes(whole[file])
