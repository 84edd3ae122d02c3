"""The campaign: thousands of hostile inputs at every boundary, seeded. From the repository:

    python tests/hostile/campaign/campaign.py [SHARE [SEED [BOUNDARY]]]

prints the table (docs/troubleshooting.md) and every fault, and ends with exit code 1 when there is one. SHARE is how
many of the inputs are tried: 1 is all of them, a few minutes of one core; BOUNDARY is one of the names below.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import campaign_adapters as foreign  # noqa: E402
import campaign_commands as commands  # noqa: E402
import campaign_create as create  # noqa: E402
import campaign_equal as equal  # noqa: E402
import campaign_folders as folders  # noqa: E402
import campaign_imports as imports  # noqa: E402
import campaign_orders as orders  # noqa: E402
import campaign_pictures as pictures  # noqa: E402
import campaign_rows as rows  # noqa: E402
from campaign_harness import Campaign, Input, Log  # noqa: E402

BOUNDARIES: dict[Callable[[random.Random, Path], Iterator[Input]], int] = {
    pictures.picture_files: 900,
    pictures.recipes: 200,
    pictures.captions: 450,
    pictures.concept_settings: 400,
    pictures.labels: 200,
    pictures.concept_folders: 120,
    folders.run_folders: 350,
    folders.states: 160,
    folders.studies: 200,
    folders.reports: 40,
    folders.results: 150,
    folders.study_settings: 350,
    rows.rows: 400,
    rows.settings: 250,
    folders.headers: 400,
    folders.adapters: 240,
    folders.bases: 120,
    folders.judges: 160,
    folders.albums: 120,
    commands.options: 500,
    commands.prompts: 250,
    commands.trainings: 50,
    commands.drawings: 50,
    commands.judged: 6,
    commands.study_commands: 40,
    equal.equal_pictures: 400,
    equal.equal_texts: 200,
    equal.other_formats: 200,
    equal.foreign_folders: 60,
    create.kits: 250,
    create.briefs: 250,
    create.products: 250,
    create.marks: 60,
    create.signed_pictures: 150,
    orders.fonts: 120,
    orders.masks: 250,
    orders.edits: 60,
    orders.creations: 40,
    orders.faulty_briefs: 200,
    orders.faulty_kits: 120,
    orders.faulty_products: 200,
    imports.layouts: 300,
    foreign.foreign_adapters: 300,
}
"""How many inputs of each."""


def run_campaign(share: float = 1.0, seed: int = 99, only: str = "", log: Log = lambda line: None) -> Campaign:
    """Try `share` of the inputs of every boundary, or of the one named `only`. The same seed gives the same inputs."""
    done, start = Campaign(log=log), os.getcwd()
    for boundary, number in BOUNDARIES.items():
        if only not in ("", boundary.__name__):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "in").mkdir()
            inputs = boundary(random.Random(f"{seed} {boundary.__name__}"), Path(scratch) / "in")
            try:
                done.try_all(islice(inputs, max(1, round(number * share))))
            finally:
                os.chdir(start)
    return done


def main() -> int:
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    started = time.process_time()
    seed, only = (*sys.argv[2:4], *("99", "")[len(sys.argv[2:4]) :])
    done = run_campaign(share, int(seed), only, log=lambda line: print(line, flush=True))
    print(done.table())
    print(f"{time.process_time() - started:.0f} s of processor time")
    return 1 if done.faults else 0


if __name__ == "__main__":
    sys.exit(main())
