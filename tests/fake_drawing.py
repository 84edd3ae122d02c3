"""A drawing without a base: pictures of noise with a recipe, and verdicts from a table."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from brandsmith.core.pictures import save_png
from brandsmith.core.rows import Row
from brandsmith.create.candidates import Candidate
from brandsmith.draw.recipe import Origin, Recipe
from brandsmith.draw.writer import Request
from brandsmith.guidance.settings import DrawSettings
from brandsmith.results.usable import Usable

ORIGIN = Origin("pocket", "f" * 8, "run/step-1", "a" * 8)
Verdict = bool | None


@dataclass
class FakeDrawing:
    """`verdict(prompt, seed)`: what the judges say of a picture. `stop_after`: pictures until somebody kills it."""

    verdict: Callable[[str, int], Verdict]
    settings: DrawSettings = field(default_factory=lambda: DrawSettings(batch_size=3, guidance_scale=4.0))
    stop_after: int | None = None
    drawn: list[tuple[str, int]] = field(default_factory=list)
    base: None = None
    origin: Origin = ORIGIN

    def write(self, base: None, requests: Sequence[Request], settings: DrawSettings, origin: Origin) -> None:
        for place, request in enumerate(requests):
            if request.path.is_file():
                continue
            if self.stop_after is not None and len(self.drawn) >= self.stop_after:
                raise KeyboardInterrupt
            self.drawn.append((request.prompt, request.seed))
            batch = tuple((own.prompt, own.seed) for own in requests)
            recipe = Recipe(request.prompt, request.seed, settings, origin, batch, place)
            save_png(request.path, noise(f"{request.prompt} {request.seed}"), recipe.as_text())

    def judge(self, drawing: FakeDrawing, requests: Sequence[Request]) -> list[Candidate]:
        return [self._candidate(request) for request in requests]

    def _candidate(self, request: Request) -> Candidate:
        answer = self.verdict(request.prompt, request.seed)
        value = {True: 1.0, None: 0.5, False: 0.1}[answer]
        row = Row(0, request.prompt, request.seed, "", 0, "detector@1", "w", value, "", {})
        reason = {True: "", None: "not measured (x)", False: "misspelt"}[answer]
        return Candidate(
            request.path, request.prompt, request.seed, (row,), Usable(answer, reason, {"spelled": answer})
        )


def noise(name: str, side: int = 24) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.integers(0, 255, (side, side, 3), dtype=np.uint8)
