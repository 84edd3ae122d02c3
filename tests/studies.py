"""A small made-up STUDY folder with drawn pictures: what `study run` leaves behind, without a model.

Every method has a quality of its own that grows with steps and sinks when training goes on too long; a picture's rows
follow from the quality it was drawn with. The numbers are invented: they test the report, they say nothing about the
methods.
"""

from __future__ import annotations

import json
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

PROMPTS = (
    "A {token}",
    "A male model wearing a blue {token} sweater",
    "A female model wearing a green {token} t shirt",
    "A billboard with the latest {token} products",
    "The new {token} fragrance",
)
STEPS = (100, 200, 300, 400)
SELECTION_SEEDS, REPORT_SEEDS = (1000, 1001), (2000, 2001)
MARK = "QOGA"
METHODS = {  # quality at best, settings, bytes, seconds per step
    "dreambooth": (0.84, [{"learning_rate": lr} for lr in (1e-5, 2e-5, 5e-5)], 41_000_000, 0.9),
    "lora": (
        0.93,
        [{"learning_rate": lr, "rank": rank} for lr, rank in ((1e-4, 4), (1e-4, 16), (5e-4, 16))],
        3_300_000,
        0.55,
    ),
    "textual_inversion": (
        0.48,
        [{"learning_rate": lr, "num_vectors": n} for lr, n in ((1e-3, 1), (1e-3, 4), (5e-3, 4))],
        9_400,
        0.4,
    ),
    "hypernetwork": (0.3, [{"learning_rate": lr, "expansion": 2} for lr in (1e-5, 5e-5, 1e-4)], 5_200_000, 0.6),
}


def build_study(
    folder: Path,
    *,
    token: str = "red_qoga_logo",
    name: str = "Made-up example (no model behind it)",
    pictures: bool = True,
    side_px: int = 160,
    judges: tuple[str, ...] = ("detector", "ocr", "correctness", "copying"),
    training_seeds: tuple[int, ...] = (0,),
    expected_text: str = MARK,
    kpi: str | None = "average(ocr, yolo)",
) -> Path:
    """Write a whole STUDY and return its folder; deterministic. Without pictures it takes a fraction of a second."""
    prompts = [p.replace("{token}", token) for p in PROMPTS]
    concept = folder.parent / f"{folder.name}-concept"
    _write_concept(concept, side_px, token)
    record = {
        "name": name,
        "concept": {"token": token, "folder": str(concept), "expected_text": expected_text},
        "base": "pocket",
        "cases": {
            "prompts": prompts,
            "selection_seeds": list(SELECTION_SEEDS),
            "report_seeds": list(REPORT_SEEDS),
            "num_steps": 20,
            "guidance_scale": 4.0,
            "scheduler": "ddim",
        },
        "versions": {"brandsmith": "0.1.0", "torch": "2.13.0"},
        "created": "2026-11-22T21:00:00Z",
    }
    _write_json(folder / "study.json", record | {"checkpoints": len(STEPS)} | ({"kpi": kpi} if kpi else {}))
    (folder / "study.yaml").write_text(f"name: {json.dumps(name)}\nbase: pocket\nmethods: [{', '.join(METHODS)}]\n")
    for method, (best, settings, num_bytes, pace) in METHODS.items():
        for which, chosen in enumerate(settings):
            for seed in training_seeds:
                quality = best - (0.12, 0.0, 0.19)[which] + 0.01 * seed
                trial = f"{method}-{which}-seed{seed}"
                _write_trial(
                    folder / "trials" / trial,
                    method,
                    chosen,
                    seed,
                    quality,
                    prompts,
                    judges,
                    num_bytes,
                    pace,
                    pictures,
                    side_px,
                )
    _write_failed(folder / "trials" / "lora-9-seed0")
    return folder


def _write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _write_failed(folder: Path) -> None:
    _write_json(
        folder / "trial.json",
        {
            "trial": folder.name,
            "setting": "lora-9",
            "method": "lora",
            "seed": 0,
            "state": "failed",
            "settings": {"learning_rate": 0.1, "rank": 16},
            "reason": "loss became NaN at step 31",
            "stopped_at_step": 31,
            "train_seconds": 19.0,
            "sample_seconds": None,
            "peak_memory_mib": 610.0,
            "adapter_bytes": None,
        },
    )


def _write_concept(folder: Path, side_px: int, token: str) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "concept.yaml").write_text(f"token: {json.dumps(token)}\n")
    for i in range(8):
        (folder / "images" / f"{i:02d}.png").write_bytes(encoded(i % len(PROMPTS), 50 + i, 1.0, side_px))
        (folder / "images" / f"{i:02d}.txt").write_text("a red_qoga_logo")


def _write_trial(folder, method, settings, seed, quality, prompts, judges, num_bytes, pace, pictures, side_px) -> None:
    _write_json(
        folder / "trial.json",
        {
            "trial": folder.name,
            "setting": folder.name.rpartition("-")[0],
            "method": method,
            "settings": settings,
            "seed": seed,
            "state": "finished",
            "reason": "",
            "stopped_at_step": STEPS[-1],
            "train_seconds": STEPS[-1] * pace,
            "sample_seconds": 31.0,
            "peak_memory_mib": 700 + num_bytes / 2e5,
            "adapter_bytes": num_bytes,
        },
    )
    _write_json(
        folder / "config.json",
        {
            "base": "pocket",
            "concept": {"token": "red_qoga_logo", "num_images": 8, "data": "0123456789abcdef"},
            "settings": {**settings, "batch_size": 4, "steps": STEPS[-1]},
        },
    )
    rows = []
    for step in STEPS:
        at_step = quality * (1 - np.exp(-step / 110)) - (0.08 if step == STEPS[-1] else 0)
        for case, prompt in enumerate(prompts):
            for picture_seed in (*SELECTION_SEEDS, *REPORT_SEEDS):
                rng = np.random.default_rng([picture_seed, case, step, seed, len(method), round(1000 * quality)])
                drawn = float(np.clip(at_step + rng.normal(0, 0.06) - 0.05 * (case == 3), 0, 1))
                box = scene(case, picture_seed, side_px)[1]
                if pictures:
                    path = folder / "samples" / f"step-{step:06d}" / f"case-{case}_seed-{picture_seed}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(encoded(case, picture_seed, round(16 * drawn) / 16, side_px))
                shot = {"case": case, "prompt": prompt, "seed": picture_seed, "run": folder.name, "step": step}
                rows += [shot | row for row in _rows(judges, drawn, case, box, rng)]
    (folder / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _rows(judges: tuple[str, ...], quality: float, case: int, box, rng: np.random.Generator) -> list[dict]:
    read, box = misspelt(quality), [round(v, 1) for v in box]
    found = quality > 0.2
    same = sum(a == b for a, b in zip(read, MARK, strict=True)) / len(MARK)
    inset = 0.12 * (box[3] - box[1])
    inner = [round(v, 1) for v in (box[0] + inset, box[1] + inset, box[2] - inset, box[3] - inset)]
    known = {
        "detector": (
            round(min(1.0, quality + 0.04), 4) if found else 0.0,
            {"box": box, "count": 1} if found else {"count": 0},
        ),
        "ocr": (same, {"read": [read], "exact": read == MARK, "stray": [], "best": read.lower(), "box": inner})
        if found
        else (0.0, {"read": [], "exact": False, "stray": []}),
        "correctness": (round(quality**2, 4), {"box": box, "worst_cell": round(quality, 2)}),
        "copying": (
            round(float(np.clip(0.2 * quality + abs(rng.normal(0, 0.14)), 0, 1)), 4),
            {"nearest": case, "similarity": 0.8},
        ),
        "broken": (None, {}),
    }
    return [
        {
            "judge": f"{name}@1",
            "weights": "c0ffee123456",
            "value": known[name][0],
            "details": known[name][1],
            "reason": "no weights here" if known[name][0] is None else "",
        }
        for name in judges
    ]


def misspelt(quality: float) -> str:
    """QOGA, with more letters wrong the worse the picture."""
    return MARK if quality > 0.72 else "QUGA" if quality > 0.5 else "OUGA" if quality > 0.35 else "OU6N"


CLOTH = {1: (58, 92, 150), 2: (72, 132, 96)}


@cache
def scene(case: int, seed: int, side_px: int) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """A simple scene per prompt without its mark, and the box where the mark belongs (pixels)."""
    rng = np.random.default_rng([case, seed])
    side, shade = 2 * side_px, int(rng.integers(-14, 14))
    wall = tuple(
        int(np.clip(v + shade, 0, 255))
        for v in ((226, 222, 214), (214, 220, 226), (232, 226, 216), (190, 208, 226), (236, 224, 222))[case]
    )
    image = Image.new("RGB", (side, side), wall)
    pen, at = ImageDraw.Draw(image), lambda *points: [(x * side, y * side) for x, y in points]
    shift = float(rng.uniform(-0.04, 0.04))
    pen.ellipse(at((0.12, 0.84), (0.88, 0.97)), fill=tuple(v - 22 for v in wall))
    if case in CLOTH:
        cloth = CLOTH[case]
        pen.ellipse(at((0.39 + shift, 0.03), (0.61 + shift, 0.28)), fill=(206, 164, 136))
        pen.polygon(
            at(
                (0.28, 0.28),
                (0.4, 0.25),
                (0.6, 0.25),
                (0.72, 0.28),
                (0.92, 0.6),
                (0.79, 0.68),
                (0.73, 0.52),
                (0.73, 1),
                (0.27, 1),
                (0.27, 0.52),
                (0.21, 0.68),
                (0.08, 0.6),
            ),
            fill=cloth,
        )
        centre, width = (0.5 + shift, 0.5), 0.36
    elif case == 3:
        pen.rectangle(at((0.46, 0.6), (0.54, 0.95)), fill=(112, 112, 118))
        pen.rectangle(at((0.08, 0.16), (0.92, 0.64)), fill=(248, 248, 244), outline=(112, 112, 118), width=side // 60)
        centre, width = (0.5 + shift, 0.4), 0.46
    elif case == 4:
        pen.rounded_rectangle(
            at((0.3, 0.34), (0.7, 0.93)),
            radius=side // 14,
            fill=(238, 196, 150),
            outline=(160, 120, 84),
            width=side // 90,
        )
        pen.rectangle(at((0.42, 0.18), (0.58, 0.34)), fill=(60, 54, 52))
        centre, width = (0.5, 0.64 + shift), 0.32
    else:
        centre, width = (0.5 + shift, 0.5 - shift), 0.66
    half = (width / 2, width / 4.4)
    box = tuple(
        float(v) * side_px for v in (centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1])
    )
    return image.filter(ImageFilter.GaussianBlur(side / 200)), box


@cache
def encoded(case: int, seed: int, quality: float, side_px: int) -> bytes:
    """A drawn picture as PNG; qualities are few, so that a study's many pictures are drawn once each."""
    file = BytesIO()
    draw(case, seed, quality, side_px)[0].save(file, "PNG", compress_level=1)
    return file.getvalue()


def draw(case: int, seed: int, quality: float, side_px: int) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """The scene with the mark as well as `quality` allows: fainter, softer, misspelt, missing. Returns the mark's box
    too.
    """
    background, box = scene(case, seed, side_px)
    image = background.copy()
    if quality > 0.2:
        left, top, right, bottom = (int(2 * v) for v in box)
        mark = Image.new("RGB", (right - left, bottom - top), (200, 32, 44))
        font = ImageFont.load_default(size=int(0.68 * mark.height))
        ImageDraw.Draw(mark).text(
            (mark.width / 2, mark.height / 2), misspelt(quality), fill=(255, 250, 246), font=font, anchor="mm"
        )
        shape = Image.new("L", mark.size, 0)
        opacity = int(255 * min(1, quality + 0.2))
        ImageDraw.Draw(shape).rounded_rectangle(
            (0, 0, mark.width - 1, mark.height - 1), radius=mark.height // 4, fill=opacity
        )
        image.paste(mark, (left, top), shape)
    return image.filter(ImageFilter.GaussianBlur(max(0.0, (0.9 - quality) * side_px / 40))).resize(
        (side_px, side_px), Image.Resampling.BOX
    ), box
