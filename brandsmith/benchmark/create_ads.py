"""The bars of ads: five formats from one brief, how long they take, whether they are read, and how many are usable.

Twenty briefs: garments, bottles, bags and boards, in English and German, of things that pocket's judge of prompts knows
(six products were exchanged for such words after the first five briefs had been drawn). A format is usable when the
picture passed every judge, the reader reads headline and mark in the finished ad, every text has WCAG AA, and nothing
covers the product; a format that was refused is not.

These twenty were looked at while ads were built. Twenty others (`held_out_briefs.py`) were not: a group of their own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from brandsmith.benchmark.create import Bar, Bench
from brandsmith.benchmark.held_out_briefs import held_out_briefs
from brandsmith.core.files import write_json
from brandsmith.core.json_files import read_object
from brandsmith.create.ad import create_ad, open_ad_folder, plan_ad
from brandsmith.create.ad_brief import AdBrief
from brandsmith.create.ad_compose import shared_area
from brandsmith.create.contrast import AA
from brandsmith.judges.boxes import Box

BRIEFS: tuple[tuple[str, str, str], ...] = (
    ("a blue {token} sweater", "Made for the first cold morning", "Shop the line"),
    ("a green {token} t shirt", "Light as the evening", "See the colours"),
    ("a red {token} coat", "Rain can wait", "Shop coats"),
    ("a yellow {token} dress", "Summer, all of it", "Discover more"),
    ("an orange {token} sweater", "Sunday starts here", "Shop now"),
    ("a black {token} t shirt", "One shirt for every day", "Find your size"),
    ("a pink {token} sweater", "Warm, wenn es früh wird", "Jetzt entdecken"),
    ("a white {token} t shirt", "Leicht durch den Tag", "Zur Kollektion"),
    ("a purple {token} scarf", "Draußen ist es schön", "Schals ansehen"),
    ("a {token} bottle", "One scent, all day long", "Discover it"),
    ("a green {token} bottle", "Fresh from the first drop", "Try it"),
    ("the new {token} fragrance", "A quiet kind of bold", "Meet the scent"),
    ("the new {token} perfume", "Ein Duft, der bleibt", "Kennenlernen"),
    ("a blue {token} backpack", "Carry the whole week", "Shop bags"),
    ("a yellow {token} cap", "Shade, wherever you go", "Shop caps"),
    ("a red {token} bag", "Platz für alles", "Taschen ansehen"),
    ("a billboard with the latest {token} products", "The new line is here", "Visit us"),
    ("a blue {token} billboard", "Open from Saturday", "Find the way"),
    ("a green {token} cup", "Coffee first", "Order now"),
    ("an orange {token} cup", "Guten Morgen", "Jetzt bestellen"),
)
"""(product, headline, call to action)."""
FORMATS = ("1:1", "4:5", "9:16", "16:9", "leaderboard")
LEGAL = "While stocks last.", "Nur solange der Vorrat reicht."
GERMAN = (6, 7, 8, 12, 15, 19)
"""Which of BRIEFS."""
MOST_SECONDS, LEAST_USABLE = 120.0, 0.95
HELD_OUT_BARS = ("ad_text_read", "ad_overlap", "ads_usable")


def briefs() -> list[AdBrief]:
    return [
        AdBrief(product=product, headline=headline, call_to_action=action, legal=LEGAL[number in GERMAN])
        for number, (product, headline, action) in enumerate(BRIEFS)
    ]


def measure_ads(bench: Bench) -> list[Bar]:
    """Raises as `create_ad` does."""
    return bars_of(_rows(bench, briefs()))


def measure_held_out_ads(bench: Bench) -> list[Bar]:
    """The same figures of the briefs that nothing was chosen by. Raises as `create_ad` does."""
    return held_out_bars(_rows(bench, held_out_briefs([product for product, _, _ in BRIEFS])))


def _rows(bench: Bench, briefs: Sequence[AdBrief]) -> list[Mapping[str, Any]]:
    rows = []
    for number, brief in enumerate(briefs):
        bench.log(f"ads: brief {number + 1} of {len(briefs)}")
        rows.append(_measured(bench, brief, bench.folder / f"brief-{number:02d}"))
    return rows


def _measured(bench: Bench, brief: AdBrief, folder: Path) -> Mapping[str, Any]:
    """The row of one brief, kept beside its folder."""
    kept = folder.with_suffix(".json")
    if kept.is_file():
        return read_object(kept, "delete it: the brief is measured again")
    began = time.monotonic()
    plan = plan_ad(brief, bench.concept, bench.source)
    result = create_ad(plan, folder)
    seconds = time.monotonic() - began
    parts = open_ad_folder(plan, folder).as_json()["parts"]
    row = {
        "product": brief.product,
        "seconds": round(seconds, 1),
        "refused": dict(result.refused),
        "formats": [format_row(part) for part in parts],
    }
    write_json(kept, row)
    return row


def format_row(part: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of one finished format."""
    boxes: Mapping[str, Box] = part["layout"]["boxes"]
    own = [boxes[name] for name in boxes if name != "product"]
    return {
        "format": part["format"],
        "usable_picture": part["picture"]["usable"],
        "exact_mark": part["picture"]["exact_mark"],
        "headline_read": part["read"]["headline"]["exact"],
        "mark_read": part["read"]["mark"]["exact"],
        "least_contrast": min(part["layout"]["contrast"].values()),
        "overlap_px": sum(shared_area(box, boxes["product"]) for box in own),
    }


def is_usable(row: Mapping[str, Any]) -> bool:
    passed = row["usable_picture"] is True and row["headline_read"] is True and row["mark_read"] is True
    return bool(passed and row["least_contrast"] >= AA and row["overlap_px"] == 0)


def bars_of(rows: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The table's lines. The first brief whose five formats were all made is the one brief of the first two."""
    whole = next((row for row in rows if len(row["formats"]) == len(FORMATS)), rows[0])
    formats = [one for row in rows for one in row["formats"]]
    asked = len(rows) * len(FORMATS)
    read = [one["headline_read"] is True and one["mark_read"] is True for one in formats]
    usable = sum(map(is_usable, formats))
    overlap = sum(one["overlap_px"] for one in formats)
    share_read, share_usable = sum(read) / max(1, len(read)), usable / asked
    exact = sum(bool(one["exact_mark"]) for one in formats)
    made = len(whole["formats"])
    return [
        Bar("ad_formats", made, "5", made == len(FORMATS), 1, whole["product"]),
        Bar("ad_seconds", whole["seconds"], "<= 120", whole["seconds"] <= MOST_SECONDS, 1, "with loading"),
        Bar("ad_text_read", round(share_read, 4), "1.0", share_read == 1.0, len(read), "headline and mark"),
        Bar("ad_overlap", overlap, "0", overlap == 0, len(formats), "square pixels over a product's box"),
        Bar(
            "ads_usable",
            round(share_usable, 4),
            ">= 0.95",
            share_usable >= LEAST_USABLE,
            asked,
            f"{asked - len(formats)} refused; the true mark laid in {exact}",
        ),
    ]


def held_out_bars(rows: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """What counts of briefs that were not looked at, under names of their own; how many briefs are usable whole."""
    whole = [len(row["formats"]) == len(FORMATS) and all(map(is_usable, row["formats"])) for row in rows]
    none = [row["product"] for row in rows if not row["formats"]]
    share = round(sum(whole) / max(1, len(whole)), 4)
    told = f"of no format: {'; '.join(none)}" if none else "every brief gave a format"
    bars = [replace(bar, name=f"{bar.name}_held_out") for bar in bars_of(rows) if bar.name in HELD_OUT_BARS]
    return [*bars, Bar("ad_briefs_usable_held_out", share, "reported", None, len(rows), told)]
