"""Which rank is better? A study of two LoRA settings, with its report.

python examples/study_of_two.py --steps 400 --out out/study
"""

import argparse
from pathlib import Path

from rich.console import Console

import brandsmith


def main(steps: int, pictures: int, out: Path) -> None:
    selection_seeds, report_seeds = range(1000, 1000 + pictures), range(2000, 2000 + pictures)
    study = {
        "name": "two-ranks",
        "concept": "demo",
        "base": "pocket",
        "methods": [{"method": "lora", "fixed": {"steps": steps}, "search": {"rank": [4, 32]}}],
        "training_seeds": [0, 1],
        "checkpoints": 1,
        "cases": {"selection_seeds": [*selection_seeds], "report_seeds": [*report_seeds]},
    }
    result = brandsmith.run_study(study, out, console=Console())
    for line in result.leaderboard:
        print(line.parameters, line.average, line.usable_rate)
    print(result.winner.sentence if result.winner else "no winner: nothing could be measured")
    for file in brandsmith.write_report(out):
        print(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400, help="training steps of each trial")
    parser.add_argument("--pictures", type=int, default=2, help="pictures per prompt to choose on, and to report on")
    parser.add_argument("--out", type=Path, default=Path("out/study"), help="folder of the study")
    main(**vars(parser.parse_args()))
