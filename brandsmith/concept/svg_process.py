"""Drawing an SVG, which anybody may have made, in a process of its own.

A vector of a few lines can ask for hours of filters or for a picture of terabytes, and deep nesting ends the whole
process of the library that draws it (resvg). So it runs beside us, for so long and with so much memory.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import lru_cache

LONGEST_SEC, LONGEST_CPU_SEC = 60, 8
"""By the clock; of the processor, where the system counts it (not on Windows)."""
MOST_MEMORY_BYTES = 3 << 30
LARGEST_RATIO = 50.0
"""Of width to height, or height to width."""
_PROGRAM = f"""
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, ({LONGEST_CPU_SEC}, {LONGEST_CPU_SEC + 5}))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, ({MOST_MEMORY_BYTES}, {MOST_MEMORY_BYTES}))
except (ImportError, AttributeError, ValueError, OSError):
    pass
import resvg_py
try:
    drawn = resvg_py.svg_to_bytes(svg_string=sys.stdin.buffer.read().decode(), width=int(sys.argv[1]))
except ValueError as error:
    sys.exit("no SVG: " + " ".join(str(error).split()))
sys.stdout.buffer.write(bytes(drawn))
"""
_VIEW_BOX = re.compile(r"""<svg\b[^>]*\bviewBox\s*=\s*["']([^"']*)["']""")


@lru_cache(maxsize=16)
def drawn_svg(svg: str, width_px: int) -> bytes:
    """A PNG of the vector, `width_px` wide. What it refers to outside itself is not read. Raises ValueError with the
    reason for one that cannot be drawn, or not within the limits.
    """
    _check_shape(svg)
    command = [sys.executable, "-I", "-c", _PROGRAM, str(width_px)]
    try:
        done = subprocess.run(command, input=svg.encode(), capture_output=True, timeout=LONGEST_SEC, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError(_TOO_MUCH) from None
    if done.returncode == 0 and done.stdout:
        return done.stdout
    told = done.stderr.decode("utf-8", "replace").strip()
    raise ValueError(told.removeprefix("no SVG: ")[:200] if told.startswith("no SVG: ") else _TOO_MUCH)


_TOO_MUCH = (
    f"drawing it takes more than {LONGEST_CPU_SEC} s or {MOST_MEMORY_BYTES >> 30} GiB: it has heavy filters, is nested"
    " too deeply, or is small in a large drawing"
)


def _check_shape(svg: str) -> None:
    """Of what the vector says of itself; a picture as wide as asked is as high as this makes it."""
    found = _VIEW_BOX.search(svg)
    try:
        numbers = [float(part) for part in re.split(r"[\s,]+", found[1].strip())] if found else []
    except ValueError:
        return
    if len(numbers) != 4 or min(numbers[2:]) <= 0:
        return
    ratio = max(numbers[2] / numbers[3], numbers[3] / numbers[2])
    if not ratio <= LARGEST_RATIO:
        raise ValueError(f"it is {ratio:.3g} times as long as wide; allowed: {LARGEST_RATIO:g} times")
