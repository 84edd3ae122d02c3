"""A workspace with one of everything, small: what the tests in a browser look at."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from brandsmith.core.files import write_json
from brandsmith.core.run import RunDirectory
from brandsmith.studio.findings import examine
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.workspace import Workspace

COLOURS = ("firebrick", "navy", "darkgreen", "goldenrod", "purple", "teal")


def furnish(folder: Path) -> Workspace:
    """A concept with findings, a training at work with previews, a finished one, a creation, and a queue."""
    here = Workspace.open(folder)
    _concept(here)
    for name, status in (("red-hugo-lora", "running"), ("red-hugo-dreambooth", "finished")):
        _run(here, name, status)
    creation = here.item("creations", "autumn-ads")
    creation.mkdir()
    for colour in COLOURS[:3]:
        _picture(creation / f"{colour}.png", colour, (96, 64))
    _queue(here)
    return here


def _concept(here: Workspace) -> None:
    folder = here.item("concepts", "red-hugo")
    (folder / "images").mkdir(parents=True)
    (folder / "concept.yaml").write_text("token: red_hugo_logo\nclass_word: logo\nexpected_text: HUGO\n")
    for number, colour in enumerate(COLOURS, 1):
        _picture(folder / "images" / f"{number:02d}.png", colour, (96, 64) if number > 4 else (64, 64))
        caption = "a shirt" if number == 2 else f"a red_hugo_logo on a {colour} shirt"
        (folder / "images" / f"{number:02d}.txt").write_text(f"{caption}\n")
    _picture(folder / "mark.png", "firebrick", (64, 32))


def _run(here: Workspace, name: str, status: str) -> None:
    run = RunDirectory(here.item("runs", name))
    settings = {"method": name.removeprefix("red-hugo-"), "steps": 60, "keep_state": True}
    write_json(run.config_file, {"base": "pocket", "concept": {"token": "red_hugo_logo"}, "settings": settings})
    rows = [
        {"step": step, "loss": 0.2 + 1 / step, "seconds": 0.2} for step in range(1, 41 if status == "running" else 61)
    ]
    run.metrics_file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run.set_status("running" if status == "running" else "finished", 40 if status == "running" else 60)
    scores = []
    for case, colour in enumerate(COLOURS[:3]):
        place = run.folder / "previews" / "step-000030"
        place.mkdir(parents=True, exist_ok=True)
        _picture(place / f"case-{case}_seed-1000.png", colour, (64, 64))
        for judge, value, details in (("detector@1", 0.9, {}), ("ocr@1", 0.5 + case / 4, {"exact": case == 2})):
            row = {"case": case, "prompt": f"a {colour} red_hugo_logo", "seed": 1000, "run": name, "step": 30}
            scores.append({**row, "judge": judge, "weights": "x", "value": value, "reason": "", "details": details})
    (run.folder / "previews.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in scores))


def _queue(here: Workspace) -> None:
    found = [
        {"kind": "token missing", "severity": "fault", "file": "images/02.txt", "what": "no token", "remedy": "add it"},
        {"kind": "rights", "severity": "advice", "file": "brand.yaml", "what": "who agreed?", "remedy": "say who"},
    ]
    doctor = examine(here, "red-hugo", "ada")
    (queue.job_folder(here, doctor.id) / "log.txt").write_text(f"$ brandsmith\n{json.dumps({'findings': found})}\n")
    command = ("brandsmith", "train", "lora", "--concept=concepts/red-hugo", "--run=runs/red-hugo-lora")
    training = queue.add(here, JobRequest(command, "ada", folder="runs/red-hugo-lora", title="Training: red-hugo-lora"))
    queue.add(here, JobRequest(("brandsmith", "sample", "a cup"), "ben", folder="creations/cup", title="Draw a cup"))
    with queue.changing(here):
        queue.change(here, doctor, state="done", exit_code=1, started=doctor.created, ended=doctor.created + 2)
        queue.change(here, training, state="running", started=training.created - 30, tries=1)


def _picture(file: Path, colour: str, size: tuple[int, int]) -> None:
    Image.new("RGB", size, colour).save(file)
