"""The bars of catalogue and mood board.

`catalogue_killed_files`: a catalogue of 40 rows is made in a process that is killed (SIGKILL) KILLS times, at different
points of drawing, judging and setting; how many files then differ from those of an undisturbed one.

`moodboard_diversity_gain`: Vendi score of the chosen pictures over the mean of random choices among the same usable
ones, mean over THEMES. Beside it, in the note, the same on each half of the vectors, which the choice did not aim at
alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from brandsmith.base.sources import resolve_base
from brandsmith.benchmark.create import Bar, Bench
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import sha256_of, write_text
from brandsmith.core.pictures import load_rgb_all
from brandsmith.create.diverse import most_diverse
from brandsmith.create.mood_board import random_scores
from brandsmith.create.mood_board_command import MoodBoardBrief, draw_board
from brandsmith.create.picture_vectors import picture_vectors, structure_vectors
from brandsmith.create.products import csv_text
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.copying import vendi_of_vectors

ROWS, KILLS, NUM_STEPS = 40, 5, 10
"""Few steps: that some pictures fail and are drawn again belongs to what is interrupted."""
COLOURS = ("blue", "green", "yellow", "orange", "purple", "white", "black", "pink")
GARMENTS = ("sweater", "t shirt", "cap", "fragrance")
THEMES = ("on a blue background", "on a yellow background", "on a white background")
SUBJECTS = ("{token} cap", "{token} sweater", "{token} fragrance", "billboard with the latest {token} products")
GAIN = 1.3
LONGEST_SEC = 3600.0


def measure_catalogue(bench: Bench) -> list[Bar]:
    """Needs the run's folder: every process finds the adapter by itself."""
    table = bench.folder / "products.csv"
    write_text(table, _table())
    whole, killed = bench.folder / "undisturbed", bench.folder / "killed"
    bench.log("catalogue: undisturbed")
    _finish(_command(bench, table, whole))
    for number in range(KILLS):
        bench.log(f"catalogue: killed {number + 1} of {KILLS} times")
        _kill_when(_command(bench, table, killed), _moment(killed, number))
    _finish(_command(bench, table, killed))
    one, other = _hashes(whole), _hashes(killed)
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    note = f"{ROWS} rows, {len(one)} files" + (f"; first: {differing[0]}" if differing else "")
    return [Bar("catalogue_killed_files", len(differing), "0", not differing, KILLS, note)]


def _table() -> str:
    pairs = islice(cycle((garment, colour) for colour in COLOURS for garment in GARMENTS), ROWS)
    rows = [(f"P-{n:03}", f"Product {n}", garment, colour) for n, (garment, colour) in enumerate(pairs, 1)]
    return csv_text(("id", "name", "garments", "colours"), rows)


def _command(bench: Bench, table: Path, out: Path) -> list[str]:
    checkpoint = bench.source.checkpoint
    if checkpoint is None:
        raise BrandsmithError("the bars of catalogues need an adapter", hint="give --run")
    step = str(int(checkpoint.name.rpartition("-")[2]))
    arguments = ["create", "catalogue", str(table), "--run", str(checkpoint.parents[1]), "--step", step]
    arguments += ["--concept", bench.concept, "--out", str(out), "--num-steps", str(NUM_STEPS)]
    return [sys.executable, "-m", "brandsmith", *arguments]


def _finish(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SEC, check=False)
    if done.returncode:
        raise BrandsmithError(f"a catalogue failed (exit code {done.returncode}): {done.stderr.strip()[-300:]}")


def _kill_when(command: Sequence[str], reached: Callable[[], bool]) -> None:
    """Start it, and end it without a warning as soon as `reached` says so. Raises BrandsmithError if it ends before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not reached():
            if process.poll() is not None:
                raise BrandsmithError("a catalogue ended before it could be killed", hint="delete the folder")
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def _moment(folder: Path, number: int) -> Callable[[], bool]:
    """When it is killed for the `number`-th time: after so many pictures; the last time while pages are set."""
    drawn = 1 + number * (ROWS // KILLS + 1)
    if number == KILLS - 1:
        return (folder / "scores.csv").is_file
    return lambda: len(list((folder / "drawn").glob("*.png"))) >= drawn


def _hashes(folder: Path) -> dict[str, str]:
    """Of every file but the system's lock: hash by name."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


# ----------------------------------------------------------------------------- mood board


def measure_mood_board(bench: Bench) -> list[Bar]:
    gains, told = [], []
    for theme in THEMES:
        bench.log(f"mood board: {theme}")
        gain, parts = _gain(bench, theme)
        gains.append(gain)
        told.append(f"{gain:.2f} ({parts})")
    mean = round(float(np.mean(gains)), 4)
    return [Bar("moodboard_diversity_gain", mean, f">= {GAIN}", mean >= GAIN, len(THEMES), "; ".join(told))]


def _gain(bench: Bench, theme: str) -> tuple[float, str]:
    """Vendi of the chosen over random choice; and the same by structure alone, for the note."""
    concept = load_concept(bench.concept)
    prompts = tuple(f"a {subject} {{theme}}" for subject in SUBJECTS)
    brief = MoodBoardBrief(theme, bench.source, concept, DrawSettings(), prompts)
    folder = bench.folder / theme.replace(" ", "-")
    usable = [own for own in draw_board(brief, folder)[0] if own.usable.verdict is True]
    pictures = load_rgb_all([own.path for own in usable])
    vectors, _ = picture_vectors(pictures, resolve_base(bench.source.base))
    chosen = most_diverse(vectors, brief.pictures, brief.by)
    structure = structure_vectors(pictures)
    gains = [
        vendi_of_vectors(own[chosen]) / float(np.mean(random_scores(own, brief.pictures)))
        for own in (vectors, structure)
    ]
    return gains[0], f"{len(usable)} of {brief.candidates} usable, by structure alone {gains[1]:.2f}"
