"""The formats of an ad: pixels, how wide they are, and the area in which platforms cover nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from brandsmith.judges.boxes import Box

Aspect = Literal["tower", "tall", "square", "wide", "strip"]
NAMED_PX: dict[str, tuple[int, int]] = {
    "1:1": (1080, 1080),
    "4:5": (1080, 1350),
    "9:16": (1080, 1920),
    "16:9": (1920, 1080),
    "leaderboard": (728, 90),
}
"""(width, height): what Instagram, Facebook and YouTube take, and the IAB's leaderboard."""
SMALLEST_PX, LARGEST_PX = 40, 8192
STORY_TOP, STORY_BOTTOM = 0.13, 0.18
"""Of the height of 9:16 and taller: there apps lay a name and buttons over a story."""
STORY_FROM_PX = 600
"""Width: smaller ones are banners, on which nothing is laid."""
_SIZE = re.compile(r"(\d{2,5})[x×](\d{2,5})")


@dataclass(frozen=True)
class Format:
    """One size in which an ad is made."""

    name: str
    width: int
    height: int

    @property
    def aspect(self) -> Aspect:
        ratio = self.width / self.height
        if ratio >= 3:
            return "strip"
        if ratio >= 1.18:
            return "wide"
        return "square" if ratio >= 0.9 else "tall" if ratio >= 0.4 else "tower"

    @property
    def file_stem(self) -> str:
        """A legal file name: `4x5`, `leaderboard`, `300x250`."""
        return self.name.replace(":", "x")

    @property
    def margin(self) -> int:
        """Between the edge and whatever is set, in pixels."""
        side = min(self.width, self.height)
        return max(4, round(side * (0.14 if self.aspect == "strip" else 0.07)))

    @property
    def safe(self) -> Box:
        """Where text and mark may stand: inside the margin, and clear of what apps cover."""
        story = self.height / self.width >= 1.7 and self.width >= STORY_FROM_PX
        top = round(self.height * STORY_TOP) if story else self.margin
        bottom = round(self.height * STORY_BOTTOM) if story else self.margin
        return self.margin, top, self.width - self.margin, self.height - bottom


def parse_format(given: str) -> Format:
    """A name of `NAMED_PX`, or `WIDTHxHEIGHT`. Raises ValueError saying what is allowed."""
    if given in NAMED_PX:
        return Format(given, *NAMED_PX[given])
    match = _SIZE.fullmatch(given)
    if match is None:
        raise ValueError(f"is no format; allowed: {', '.join(NAMED_PX)}, or WIDTHxHEIGHT in pixels, such as 300x250")
    width, height = int(match[1]), int(match[2])
    if not all(SMALLEST_PX <= side <= LARGEST_PX for side in (width, height)):
        raise ValueError(f"has a side outside {SMALLEST_PX} to {LARGEST_PX} pixels")
    return Format(f"{width}x{height}", width, height)


def from_sexagesimal(given: object) -> object:
    """YAML 1.1 reads an unquoted 4:5 as 245 (sixties); what was written, for a whole number."""
    if isinstance(given, int) and not isinstance(given, bool) and given > 60:
        return f"{given // 60}:{given % 60}"
    return given
