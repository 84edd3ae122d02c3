"""A clip judged: one row a frame and judge, one a clip. Which frame fails, and why.

Every frame is judged as a picture is; the rest of the prompt in the middle frame alone, which stands for what the clip
shows. What only a clip has: how long the mark is away, movement and flicker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brandsmith.core.rows import Row, Shot
from brandsmith.judges.flicker import flicker
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.judges.movement import movement
from brandsmith.results.usable import Usable, usable_as_asked

ONLY_IN_THE_MIDDLE = "obeyed"
MARK_CHECKS = ("present", "right")
LEAST_MOVEMENT = 0.05
"""Pixels a frame (`judges/movement.py`) from which a clip moves."""


@dataclass(frozen=True)
class ClipVerdict:
    """`frames` in order; shares are of the frames that were measured, None without one."""

    frames: tuple[Usable, ...]
    movement_px: float
    flicker: float

    @property
    def middle(self) -> int:
        return len(self.frames) // 2

    def share(self, *checks: str) -> float | None:
        """Of frames that pass all of `checks`."""
        answers = [_all_of(frame, checks) for frame in self.frames]
        known = [answer for answer in answers if answer is not None]
        return sum(known) / len(known) if known else None

    def longest_gap(self, *checks: str) -> int:
        """Most frames in a row that fail one of `checks`."""
        longest = run = 0
        for frame in self.frames:
            run = run + 1 if _all_of(frame, checks) is False else 0
            longest = max(longest, run)
        return longest

    @property
    def usable(self) -> Usable:
        """Of the clip: every frame passes, and it moves. The reason names the first frame that fails."""
        for number, frame in enumerate(self.frames, 1):
            if frame.verdict is False:
                return Usable(False, f"frame {number} of {len(self.frames)}: {frame.reason}", frame.checks)
        if self.movement_px < LEAST_MOVEMENT:
            return Usable(False, "it stands still", {"moves": False})
        for number, frame in enumerate(self.frames, 1):
            if frame.verdict is None:
                return Usable(None, f"frame {number} of {len(self.frames)}: {frame.reason}", frame.checks)
        return Usable(True, "", {"moves": True})

    def as_json(self) -> dict[str, Any]:
        return {
            "usable": self.usable.verdict,
            "reason": self.usable.reason,
            "mark_frames": self.share(*MARK_CHECKS),
            "longest_gap": self.longest_gap(*MARK_CHECKS),
            "spelled_frames": self.share("spelled"),
            "obeyed_in_the_middle": self.frames[self.middle].checks.get(ONLY_IN_THE_MIDDLE),
            "movement_px": round(self.movement_px, 4),
            "flicker": round(self.flicker, 4),
            "frames": len(self.frames),
        }


def _all_of(frame: Usable, checks: Sequence[str]) -> bool | None:
    answers = [frame.checks.get(check) for check in checks]
    if False in answers:
        return False
    return None if None in answers else True


def judge_clip(
    judges: Mapping[str, Judge], token: str, prompt: str, seed: int, frames: np.ndarray
) -> tuple[ClipVerdict, list[list[Row]]]:
    """The verdict, and the rows of each frame of (F, H, W, 3) uint8; `case` of a row is the frame's number."""
    middle = len(frames) // 2
    shots = [Shot(number, prompt, seed, "", 0) for number in range(len(frames))]
    rows: list[list[Row]] = [[] for _ in frames]
    for judge in judges.values():
        chosen = [middle] if judge.name == ONLY_IN_THE_MIDDLE else list(range(len(frames)))
        scored = score_shots(judge, [shots[i] for i in chosen], [frames[i] for i in chosen])
        for number, row in zip(chosen, scored, strict=True):
            rows[number].append(row)
    verdicts = tuple(usable_as_asked(own, prompt, token) for own in rows)
    return ClipVerdict(verdicts, movement(list(frames)), flicker(list(frames))), rows
