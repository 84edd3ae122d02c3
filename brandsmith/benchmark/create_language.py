"""`glossary_*`: 25 prompts in eight languages, drawn and judged beside the same prompts in English.

The prompts were written by hand before the rules (`data/language_prompts.json`). Rules were tuned on odd numbers; even
ones are held out, and have figures of their own. A text that is the English one to the letter is drawn once for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from brandsmith.base.sources import resolve_base
from brandsmith.benchmark.create import Bar, Bench
from brandsmith.concept.concept import load_concept
from brandsmith.core.json_files import read_record
from brandsmith.core.pictures import load_rgb_all
from brandsmith.draw.prompts import ReadPrompt
from brandsmith.draw.to_folder import draw_to_folder
from brandsmith.evaluate.chain import obeyed_judge
from brandsmith.guidance.settings import DrawSettings
from brandsmith.language.detect import detect_language
from brandsmith.language.reading import ENGLISH, Reading, read_text_in

PROMPTS = Path(__file__).resolve().parent.parent / "data" / "language_prompts.json"
TOKEN = "red_qoga_logo"
"""Stands for the concept's own token."""
SEEDS = range(1000, 1002)
LEAST = 0.97
"""Of what English prompts reach (the bar of `glossary_obeyed`)."""


class PromptsFile(TypedDict):
    """The keys of `language_prompts.json`."""

    about: str
    prompts: dict[str, list[str]]
    literal: dict[str, dict[str, str]]


_FILE = TypeAdapter(PromptsFile)


@dataclass(frozen=True)
class ReadRow:
    """One prompt of one language. `meant`: its English as a translator has it; `english`: what was asked for."""

    number: int
    english: str
    meant: str
    reading: Reading
    detected: str

    @property
    def held_out(self) -> bool:
        return self.number % 2 == 0

    @property
    def exact(self) -> bool:
        """Word for word, but that a garment is worn or one is in it."""
        return not self.reading.unknown and _alike(self.reading.english) == _alike(self.meant)


def _alike(text: str) -> str:
    return text.replace(" wearing ", " in ")


def read_rows(token: str) -> list[ReadRow]:
    """Every prompt in every language as it is read."""
    file = read_record(PROMPTS, _FILE, "install Brandsmith again")
    english = file["prompts"][ENGLISH]
    rows = []
    for code, texts in file["prompts"].items():
        for number, (text, asked) in enumerate(zip(texts, english, strict=True), 1):
            meant = file["literal"].get(code, {}).get(str(number), asked)
            asked, meant, text = (part.replace(TOKEN, token) for part in (asked, meant, text))
            reading = read_text_in(text, code, [token])
            rows.append(ReadRow(number, asked, meant, reading, detect_language([text], [token])))
    return rows


def measure_language(bench: Bench) -> list[Bar]:
    """The share obeyed of what English reaches, and the share read word for word: all, tuned and held-out prompts."""
    concept = load_concept(bench.concept)
    rows = read_rows(concept.token)
    foreign = [row for row in rows if row.reading.language != ENGLISH]
    obeyed = _obeyed(bench, rows)
    bars = []
    for name, chosen in _halves(foreign):
        bars.append(_obeyed_bar(f"glossary_obeyed{name}", chosen, obeyed))
    for name, chosen in _halves(foreign):
        exact = sum(row.exact for row in chosen) / len(chosen)
        bars.append(Bar(f"glossary_exact{name}", round(exact, 4), "reported", None, len(chosen), "word for word"))
    right = sum(row.detected == row.reading.language for row in foreign)
    bars.append(Bar("language_found", round(right / len(foreign), 4), "reported", None, len(foreign)))
    return bars


def _halves(rows: Sequence[ReadRow]) -> Iterable[tuple[str, list[ReadRow]]]:
    yield "", list(rows)
    yield "_tuned", [row for row in rows if not row.held_out]
    yield "_held_out", [row for row in rows if row.held_out]


Verdicts = dict[tuple[str, str, int], float | None]
"""(text drawn, English asked for, seed) → 1 obeyed, 0 not, None not measured."""


def _obeyed(bench: Bench, rows: Sequence[ReadRow]) -> Verdicts:
    """Every text drawn once a seed, and judged by each English prompt it was to be."""
    texts = list(dict.fromkeys(row.reading.english for row in rows))
    bench.log(f"{len(texts)} texts of {len(rows)} prompts are drawn")
    files = draw_to_folder(
        [ReadPrompt(text) for text in texts],
        SEEDS,
        DrawSettings(),
        bench.source,
        bench.folder,
        progress=lambda done, total: bench.log(f"drawn {done} of {total}"),
    )
    pictures = dict(zip(product(texts, SEEDS), load_rgb_all(files), strict=True))
    judge = obeyed_judge(load_concept(bench.concept), resolve_base(bench.source.base))
    wanted = list(dict.fromkeys((row.reading.english, row.english, seed) for row in rows for seed in SEEDS))
    verdicts = judge.score_prompted([pictures[text, seed] for text, _, seed in wanted], [own[1] for own in wanted])
    return {key: verdict.value for key, verdict in zip(wanted, verdicts, strict=True)}


def _obeyed_bar(name: str, rows: Sequence[ReadRow], obeyed: Verdicts) -> Bar:
    """Where the English picture was not measured, its translation is not either."""
    pairs = [
        (obeyed[row.english, row.english, seed], obeyed[row.reading.english, row.english, seed])
        for row in rows
        for seed in SEEDS
    ]
    measured = [(english, own or 0.0) for english, own in pairs if english is not None]
    english, own = (sum(values) / len(measured) for values in zip(*measured, strict=True))
    share = round(own / english, 4) if english else None
    note = f"{own:.4f} against {english:.4f} in English; {len(pairs) - len(measured)} of {len(pairs)} not measured"
    return Bar(name, share, f">= {LEAST} of English", None if share is None else share >= LEAST, len(measured), note)
