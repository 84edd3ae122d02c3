"""Judge a folder of pictures: how many could be published, and why the others could not.

python examples/judge_folder.py out/samples --concept demo
"""

import argparse

import brandsmith


def main(pictures: str, concept: str) -> None:
    for summary in brandsmith.judge(pictures, concept=concept, floor=False):
        usable = summary.usable
        print(f"{summary.pictures} pictures, usable {usable.rate} (95 %: {usable.low} to {usable.high})")
        for reason, count in usable.reasons.items():
            print(f"  {count} {reason}")
        print(f"every verdict is in {summary.rows}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", help="a folder of pictures, or a run directory with samples")
    parser.add_argument("--concept", default="demo", help="a concept folder with fitted judges, or 'demo'")
    main(**vars(parser.parse_args()))
