"""Rows of JSON that Brandsmith wrote and reads back, and settings of a training as they are given and stored."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from campaign_harness import Input
from campaign_mutations import mutated_file, mutated_json, mutated_value
from stored_rows import ARM_ROW

from brandsmith.benchmark.guidance_rows import read_saved
from brandsmith.core.rows import read_score_rows
from brandsmith.judges.foreign import read_detections
from brandsmith.judges.judge import CachedJudge, Verdict
from brandsmith.methods.registry import METHODS, build_config, parse_config, parse_pairs

ROWS: dict[str, tuple[list[dict[str, Any]], Callable[[Path], Any]]] = {
    "scores": (
        [
            {
                "case": 0,
                "prompt": "a",
                "seed": 1,
                "run": "r",
                "step": 1,
                "judge": "ocr@1",
                "weights": "w",
                "value": v,
                "reason": "" if v is not None else "no",
                "details": {"box": [1, 2, 3, 4]},
            }
            for v in (0.5, None)
        ],
        read_score_rows,
    ),
    "detections": (
        [{"image": "a.png", "box": b, "score": 0.5, "label": "logo", "detector": "y"} for b in ([1, 2, 3.5, 4], None)],
        read_detections,
    ),
    "verdicts": (
        [{"key": "counting@1:none", "picture": "p", "value": 0.5, "reason": "", "details": {}}] * 2,
        lambda file: CachedJudge(_Nobody(), file),
    ),
    "arms": ([ARM_ROW] * 2, read_saved),
}


class _Nobody:
    name, version, weights_hash = "counting", "1", "none"

    def score(self, pictures: Any) -> list[Verdict]:
        return [Verdict(0.5)] * len(pictures)


def rows(draw: random.Random, scratch: Path) -> Iterator[Input]:
    place = scratch / "rows"
    place.mkdir()
    file = place / "rows.jsonl"
    while True:
        name = draw.choice(sorted(ROWS))
        valid, read = ROWS[name]
        file.write_text("".join(json.dumps(row) + "\n" for row in valid))
        file.write_bytes(mutated_file(draw, file, file.read_bytes()))
        yield Input("rows", f"{name}: {file.read_bytes()[:90]!r}", lambda read=read: read(file), place)


def settings(draw: random.Random, scratch: Path) -> Iterator[Input]:
    """`--set key=value`, and settings as they are stored."""
    place = scratch / "settings-of-training"
    place.mkdir()
    while True:
        name = draw.choice(sorted(METHODS))
        stored = build_config(name).model_dump(mode="json")
        if draw.random() < 0.5:
            changed = mutated_value(draw, stored)
            yield Input(
                "settings", str(changed)[:90], lambda changed=changed: parse_config(changed), place, right=odd_settings
            )
        else:
            key = draw.choice([*stored, "colour", ""])
            pair = f"{key}={mutated_json(draw, stored.get(key)).decode('utf-8', 'replace')[:90_000]}"
            call = lambda name=name, pair=pair: build_config(name, **parse_pairs([pair]))  # noqa: E731
            yield Input("settings", pair[:90], call, place, right=odd_settings)


def odd_settings(found: Any) -> str:
    numbers = {key: value for key, value in found.model_dump().items() if isinstance(value, float)}
    return "" if all(abs(value) < float("inf") for value in numbers.values()) else f"not finite: {numbers}"
