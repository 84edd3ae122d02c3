"""Folders that Brandsmith wrote and reads back: runs, studies, judges, benchmarks; and weights, adapters and bases."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from bases import build_tiny, save_as_diffusers_folder
from campaign_harness import Input
from campaign_mutations import mutated_file
from campaign_pictures import mutated_yaml, write_concept_folder
from lessons import QUICK, TOKEN, write_adapter
from studies import build_study

from brandsmith.base.base import pocket_folder
from brandsmith.base.sources import check_base
from brandsmith.concept.concept import load_concept
from brandsmith.core.run import RunDirectory
from brandsmith.core.safe_weights import read_header
from brandsmith.evaluate.albums import find_albums
from brandsmith.judges.fit import judges_folder, load_judges
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.judges.weights import check_weights
from brandsmith.methods.adapter import check_adapter
from brandsmith.methods.registry import METHODS, build_config
from brandsmith.report.html import write_report
from brandsmith.results.study_files import read_study
from brandsmith.results.study_result import read_result, result_of
from brandsmith.study.config import parse_study


def of_files(
    boundary: str,
    draw: random.Random,
    place: Path,
    names: list[str],
    call: Callable[[], Any],
    right: Callable[[Any], str] | None = None,
) -> Iterator[Input]:
    """One of the files mutated at a time, the others whole."""
    whole = {name: (place / name).read_bytes() for name in names}
    while True:
        name = draw.choice(names)
        changed = mutated_file(draw, place / name, whole[name])
        if changed == whole[name]:
            continue
        (place / name).write_bytes(changed)
        yield Input(boundary, f"{name}: {changed[:70]!r}", call, place, right=right or (lambda result: ""))
        (place / name).write_bytes(whole[name])


# ----------------------------------------------------------------------------- runs


def write_run(folder: Path, tiny: Any) -> Path:
    """A finished run as `train` leaves it, without training."""
    run = RunDirectory(folder)
    settings = build_config("lora", steps=3, **QUICK["lora"]).model_dump(mode="json")
    run.start({"base": "tiny", "concept": {"token": TOKEN, "folder": "brand"}, "settings": settings})
    write_adapter(tiny, "lora", folder / "checkpoints" / "step-000003")
    run.set_status("finished", 3)
    (folder / "metrics.jsonl").write_text("".join(json.dumps({"step": i, "loss": 0.5}) + "\n" for i in (1, 2, 3)))
    return folder


def run_folders(draw: random.Random, scratch: Path) -> Iterator[Input]:
    place = write_run(scratch / "run", build_tiny())
    run = RunDirectory(place)

    def read() -> tuple[Any, ...]:
        return run.config(), run.status(), run.step(), run.metrics(), run.checkpoints_at(None), run.check_folder()

    def wrong(read: tuple[Any, ...]) -> str:
        config, status, step, metrics, _, _ = read
        fine = (
            isinstance(config, dict)
            and type(step) is int
            and status in ("new", "running", "interrupted", "diverged", "finished")
        )
        return "" if fine and all(type(row["step"]) is int for row in metrics) else f"taken: {status} {step}"

    yield from of_files("run folders", draw, place, ["config.json", "status.json", "metrics.jsonl"], read, wrong)


def states(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """What a stopped training left to go on from, and its latents."""
    from brandsmith.core.files import write_safetensors
    from brandsmith.methods.saved_state import check_saved_state
    from brandsmith.methods.training_data import _cached

    run = RunDirectory(scratch / "state")
    weights = {"weight:a": torch.ones(3, 4), "exp_avg:a": torch.ones(3, 4), "step:a": torch.tensor(3.0)}
    run.save_state(3, weights | {"loop:scale": torch.tensor(1.0, dtype=torch.float64)})
    cache = run.folder / "cache" / "latents.safetensors"
    write_safetensors(cache, {"latents": torch.ones(2, 4, 8, 8)})

    def wrong_state(found: Any) -> str:
        step, tensors = found
        fine = (
            type(step) is int and 0 <= step < 9 and tensors.keys() == {"weight:a", "exp_avg:a", "step:a", "loop:scale"}
        )
        fine = fine and all(bool(torch.isfinite(t.float()).all()) for t in tensors.values())
        return "" if fine else f"taken: step {step}"

    def read() -> Any:
        check_saved_state(run, steps=9)
        return run.load_state()

    of_state = of_files("run state", draw, run.folder, ["state/training.safetensors"], read, wrong_state)
    of_cache = of_files(
        "run state",
        draw,
        run.folder,
        ["cache/latents.safetensors"],
        lambda: _cached(cache, 2, lambda: torch.zeros(2, 4, 8, 8)),
        wrong_latents,
    )
    while True:
        yield next(of_state)
        one = next(of_cache)
        one.out = run.folder / "cache"  # a cache that cannot be used is made again
        yield one


def wrong_latents(found: Any) -> str:
    fine = isinstance(found, torch.Tensor) and found.shape == (2, 4, 8, 8) and bool(torch.isfinite(found).all())
    return "" if fine else f"latents {getattr(found, 'shape', found)}"


# ----------------------------------------------------------------------------- studies


def studies(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """The records of a study, and every result and report that is made of them."""
    place = build_study(scratch / "studies" / "study", pictures=False)
    trial = "trials/lora-1-seed0"
    names = ["study.json", *(f"{trial}/{p.name}" for p in (place / trial).iterdir() if p.suffix in (".json", ".jsonl"))]
    names = [name for name in names if (place / name).is_file()]

    def read() -> Any:
        study = read_study(place)
        return study, result_of(study.records) if hasattr(study, "records") else None

    yield from of_files("studies", draw, place, names, read)


def reports(draw: random.Random, scratch: Path) -> Iterator[Input]:
    place = build_study(scratch / "reports" / "study", pictures=False)
    trial, out = "trials/lora-1-seed0", scratch / "reports" / "out"
    names = ["study.json", f"{trial}/trial.json", f"{trial}/scores.jsonl", f"{trial}/config.json"]

    def read() -> list[Path]:
        shutil.rmtree(out, ignore_errors=True)
        return write_report(place, out)

    def wrong(files: list[Path]) -> str:
        page = next(file for file in files if file.suffix == ".html").read_text(encoding="utf-8")
        bad = [
            sign
            for sign in ("<script>alert", "onerror=alert(1)>", "onload=alert(1)>", "me:secret@", "\x1b")
            if sign in page
        ]
        return f"the page holds {bad}" if bad else ""

    yield from of_files("reports", draw, place, [n for n in names if (place / n).is_file()], read, wrong)


def study_settings(draw: random.Random, scratch: Path) -> Iterator[Input]:
    concept = write_concept_folder(scratch / "brand")
    value = {
        "name": "mine",
        "concept": str(concept),
        "base": "pocket",
        "training_seeds": [0, 1],
        "checkpoints": 2,
        "methods": [
            {"method": "lora", "fixed": {"steps": 40}, "search": {"rank": [4, 8], "learning_rate": [1e-3, 1e-4]}},
            {"method": "ti", "search": {"num_vectors": [1, 2]}},
        ],
        "cases": {"selection_seeds": [1], "report_seeds": [2, 3], "draw": {"num_steps": 5, "scheduler": "ddim"}},
        "search": {"sampler": "grid"},
        "halving": {"rungs": [1], "keep_one_in": 2},
        "budget": {"max_time": "90 min"},
    }
    while True:
        raw = mutated_yaml(draw, value)
        text = raw.decode("utf-8", "replace")
        yield Input("study.yaml", text[:100], lambda text=text: parse_study(text, "study.yaml"), concept)


# ----------------------------------------------------------------------------- weights


def headers(draw: random.Random, scratch: Path) -> Iterator[Input]:
    folder = write_adapter(build_tiny(), "lora", scratch / "headers")
    yield from of_files(
        "headers",
        draw,
        folder,
        sorted(p.name for p in folder.iterdir()),
        lambda: read_header(next(iter(folder.iterdir()))),
    )


def adapters(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Adapters of every method, compared with the base they were made for."""
    tiny = build_tiny()
    folders = {name: write_adapter(tiny, name, scratch / "adapters" / name) for name in sorted(METHODS)}
    each = {
        name: of_files(
            "adapters",
            draw,
            folder,
            sorted(p.name for p in folder.iterdir()),
            lambda folder=folder: check_adapter(tiny, folder),
            finite_adapter(folder),
        )
        for name, folder in folders.items()
    }
    while True:
        yield next(each[draw.choice(sorted(each))])


def finite_adapter(folder: Path) -> Callable[[Any], str]:
    from safetensors.torch import load_file

    def wrong(info: Any) -> str:
        tensors = [tensor for file in folder.glob("*.safetensors") for tensor in load_file(file).values()]
        return "" if all(bool(torch.isfinite(tensor).all()) for tensor in tensors) else "weights that are not finite"

    return wrong


def bases(draw: random.Random, scratch: Path) -> Iterator[Input]:
    place = scratch / "bases" / "tiny"
    save_as_diffusers_folder(build_tiny(), place)
    files = sorted(
        str(p.relative_to(place))
        for p in place.rglob("*")
        if p.is_file() and p.suffix in (".json", ".safetensors", ".txt")
    )
    changed = of_files("bases", draw, place, files, lambda: check_base(str(place)))
    while True:
        if draw.random() < 0.85:
            yield next(changed)
            continue
        name = draw.choice(files)  # missing, a folder, a link
        kept = (place / name).read_bytes()
        (place / name).unlink()
        if draw.random() < 0.3:
            (place / name).symlink_to("nothing")
        yield Input("bases", f"without {name}", lambda: check_base(str(place)), place)
        (place / name).unlink(missing_ok=True)
        (place / name).write_bytes(kept)


def judges(draw: random.Random, scratch: Path) -> Iterator[Input]:
    demo = load_concept("demo")
    fitted = Path(shutil.copytree(judges_folder(demo), scratch / "judges"))
    of_fitted = of_files(
        "judges", draw, fitted, sorted(p.name for p in fitted.iterdir()), lambda: load_judges(demo, fitted)
    )
    classes = scratch / "classes"
    classes.mkdir()
    for name in ("classes.json", "classes.safetensors"):
        shutil.copyfile(pocket_folder() / name, classes / name)
    of_classes = of_files(
        "judges", draw, classes, ["classes.json", "classes.safetensors"], lambda: PocketClasses(classes)
    )
    sealed = scratch / "weights"
    (sealed / "dinov2-small").mkdir(parents=True)
    seal = sealed / "dinov2-small" / "sealed.json"
    seal.write_text(json.dumps({"bytes": {"config.json": 3}, "files": {"config.json": "0" * 64}}))
    from brandsmith.judges.weights import find_weights

    of_seals = of_files(
        "judges",
        draw,
        sealed,
        ["dinov2-small/sealed.json"],
        lambda: find_weights("dinov2-small", sealed),
        lambda place: "taken" if place else "",
    )
    assert check_weights is not None
    while True:
        yield next(draw.choice((of_fitted, of_fitted, of_classes, of_seals)))


def albums(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """Folders of pictures to judge, with the files beside them."""
    from campaign_pictures import drawing

    place = scratch / "album"
    place.mkdir()
    for number in range(2):
        drawing().save(place / f"{number}.png")
        (place / f"{number}.txt").write_text("a blue cat")
    (place / "prompts.json").write_text(json.dumps({"prompts": ["a cat"], "seeds": [1], "base": "pocket"}))
    names = ["0.png", "0.txt", "prompts.json"]
    yield from of_files("albums", draw, place, names, lambda: find_albums(place))


def results(draw: random.Random, scratch: Path) -> Iterator[Input]:
    from brandsmith.core.files import write_json
    from brandsmith.results.study_files import read_records

    study = build_study(scratch / "results" / "study", pictures=False)
    place = scratch / "results" / "only"
    place.mkdir()
    write_json(place / "result.json", result_of(read_records(study)).as_json())
    yield from of_files("results", draw, place, ["result.json"], lambda: read_result(place / "result.json"))
