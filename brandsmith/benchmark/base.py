"""`brandsmith base check`: what the embedded base can do, measured.

Judges were trained on true scenes. Every figure carries its n. What the same chain (find the objects, then name them)
scores on true pictures it never saw is printed as `chain_on_true`: the ceiling, so that a judge's own error is not
blamed on the base.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch
from rich.console import Console

from brandsmith.base.base import Base, decode_latents, encode_images
from brandsmith.base.sources import load_base, resolve_base
from brandsmith.benchmark.base_figures import BaseFigures
from brandsmith.concept.concept import load_concept
from brandsmith.core.sheets import check_sheet_file, save_sheet
from brandsmith.evaluate.chain import held_out_pictures, judges_for, thesis_kpi, training_pictures
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import POCKET_SCALE, DrawSettings
from brandsmith.judges.ocr import Ocr, compare
from brandsmith.judges.pocket_classes import PocketClasses, both_seen

BARS = {
    "vae_ocr_ratio": 0.95,
    "object_accuracy": 0.90,
    "colour_accuracy": 0.90,
    "untrained_kpi": 0.15,
    "size_mib": 32.0,
}
SETTINGS = DrawSettings(guidance_scale=POCKET_SCALE, batch_size=16)
"""A flow is drawn with its family's own steps, scale and scheduler."""
FIRST_SEED = 5000


def one_object_prompts(words: list[str], colours: list[str]) -> list[tuple[str, str, str]]:
    """Two prompts per word with colours that walk the palette: (prompt, word, colour)."""
    prompts = []
    for i, word in enumerate(words):
        for k in (0, 1):
            colour = colours[(2 * i + 7 * k) % len(colours)]
            article = "" if word in ("pants", "shorts", "socks") else "an " if colour[0] in "aeiou" else "a "
            prompts.append((f"{article}{colour} {word}", word, colour))
    return prompts


def two_object_prompts(
    words: list[str], colours: list[str], count: int
) -> list[tuple[str, tuple[str, str], tuple[str, str]]]:
    rng = np.random.default_rng(77)
    small = [w for w in words if w not in ("billboard", "pants", "shorts", "socks")]
    prompts = []
    for _ in range(count):
        first, second = (str(w) for w in rng.choice(small, 2, replace=False))
        one, other = (str(c) for c in rng.choice(colours, 2, replace=False))
        prompts.append((f"a {one} {first} and a {other} {second}", (first, second), (one, other)))
    return prompts


def photo_prompts(words: list[str], colours: list[str]) -> list[tuple[str, str, str]]:
    """Four prompts per garment with colours that walk the palette: (prompt, word, colour)."""
    prompts = []
    for i, word in enumerate(words):
        for k in range(4):
            colour = colours[(3 * i + 5 * k) % len(colours)]
            article = "" if word in ("pants", "shorts", "shoes") else "an " if colour[0] in "aeiou" else "a "
            prompts.append((f"a photo of {article}{colour} {word}", word, colour))
    return prompts


SPELLING_FORMS = (
    "a red logo that reads {}",
    "a blue {} logo on a white background",
    "a green bottle with a red {} logo",
    "a billboard with a blue {} logo",
    "a white t shirt with a red {} logo",
)


def spelling_prompts(count: int, keep_out: str) -> list[tuple[str, str]]:
    """(prompt, lettering): four random letters, spelled a letter at a time, alone and on products."""
    rng = np.random.default_rng(78)
    words = ["".join(rng.choice(list(ascii_uppercase), 4)) for _ in range(count)]
    return [
        (SPELLING_FORMS[i % len(SPELLING_FORMS)].format(" ".join(word)), word)
        for i, word in enumerate(words)
        if word != keep_out
    ]


def check_base(
    name: str, *, seeds: int = 1, sheet: Path | None = None, console: Console | None = None, pairs: int = 100
) -> BaseFigures:
    """Measure everything. Raises MissingResource without the shipped classifier, InvalidInput where `sheet` cannot be
    written.
    """
    console = console or Console(quiet=True)
    if sheet:
        check_sheet_file(sheet)
    folder = resolve_base(name)
    classifier = PocketClasses(folder)
    base = load_base(name)
    figures: dict[str, Any] = {}
    with console.status("text through the autoencoder"):
        figures |= _text_through_vae(base)
    singles = one_object_prompts(classifier.vocabulary, classifier.palette) * seeds
    console.print(f"drawing {len(singles)} one-object and {pairs} two-object pictures", highlight=False)
    pictures = _draw(base, [p for p, _, _ in singles])
    figures |= _judge_singles(classifier, pictures, singles)
    double = two_object_prompts(classifier.vocabulary, classifier.palette, pairs)
    pair_pictures = _draw(base, [p for p, _, _ in double])
    figures |= _judge_pairs(classifier, pair_pictures, double)
    photos = photo_prompts(classifier.photo_words, classifier.palette)
    photo_pictures = _draw(base, [p for p, _, _ in photos]) if photos else []
    figures |= _judge_photos(classifier, photo_pictures, photos)
    figures |= _spelling(base)
    figures |= _untrained_kpi(base)
    figures["size_mib"] = round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20, 2)
    figures["classifier_on_true"] = {k: round(v, 4) for k, v in classifier.card.items() if isinstance(v, float)} | {
        "n": classifier.card["n"]
    }
    figures["chain_on_true"] = classifier.card["chain_on_true"]
    if sheet:
        _write_sheet(sheet, pictures[:48] + pair_pictures[:16] + photo_pictures[:16])
    return BaseFigures(**figures)


def _draw(base: Base, prompts: list[str]) -> list[np.ndarray]:
    own, settings = base.family.draws, SETTINGS
    if base.family.noising.is_flow:
        changes = {"num_steps": own.num_steps, "guidance_scale": own.guidance_scale, "scheduler": own.scheduler}
        settings = SETTINGS.model_copy(update=changes)
    return sample(base, prompts, [FIRST_SEED + i for i in range(len(prompts))], settings)


@torch.inference_mode()
def _text_through_vae(base: Base) -> dict[str, Any]:
    """OCR similarity on true marked pictures, and on the same pictures after encode and decode."""
    concept = load_concept("demo")
    ocr = judges_for(concept)["ocr"]
    originals = [*held_out_pictures(concept), *training_pictures(concept)]
    pixels = torch.from_numpy(np.stack(originals)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    decoded = torch.cat([decode_latents(base, encode_images(base, part)) for part in pixels.split(8)])
    after = list((decoded * 255).round().byte().permute(0, 2, 3, 1).numpy())
    before_score = float(np.mean([v.value for v in ocr.score(originals)]))
    after_score = float(np.mean([v.value for v in ocr.score(after)]))
    ratio = after_score / before_score if before_score else None
    return {
        "vae_ocr_ratio": None if ratio is None else round(ratio, 4),
        "vae_ocr_original": round(before_score, 4),
        "vae_ocr_decoded": round(after_score, 4),
        "vae_ocr_n": len(originals),
    }


def _judge_singles(
    classifier: PocketClasses, pictures: list[np.ndarray], prompts: list[tuple[str, str, str]]
) -> dict[str, Any]:
    looks = classifier.look(pictures, num_objects=1)
    word = [bool(own) and own[0].word == w for own, (_, w, _) in zip(looks, prompts, strict=True)]
    colour = [bool(own) and own[0].colour == c for own, (_, _, c) in zip(looks, prompts, strict=True)]
    return {
        "object_accuracy": round(float(np.mean(word)), 4),
        "object_n": len(prompts),
        "colour_accuracy": round(float(np.mean(colour)), 4),
        "colour_n": len(prompts),
    }


def _judge_pairs(
    classifier: PocketClasses, pictures: list[np.ndarray], prompts: list[tuple[str, tuple[str, str], tuple[str, str]]]
) -> dict[str, Any]:
    seen = [
        both_seen(own, words, hues) for own, (_, words, hues) in zip(classifier.look(pictures, 2), prompts, strict=True)
    ]
    return {
        "both_present": round(float(np.mean([p for p, _ in seen])), 4),
        "both_present_n": len(prompts),
        "both_colours": round(float(np.mean([c for _, c in seen])), 4),
        "both_colours_n": len(prompts),
    }


def _judge_photos(
    classifier: PocketClasses, pictures: list[np.ndarray], prompts: list[tuple[str, str, str]]
) -> dict[str, Any]:
    """The photo look: taken for a photo, the garment, its colour (None for a base that was built without photos).
    `classifier_on_true` is how often the classifier itself is right.
    """
    looks = classifier.look_at_photos(pictures)
    right = {
        "photo_look": [look.photo > 0.5 for look in looks],
        "photo_object": [look.word == w for look, (_, w, _) in zip(looks, prompts, strict=True)],
        "photo_colour": [look.colour == c for look, (_, _, c) in zip(looks, prompts, strict=True)],
    }
    return {f"{name}_accuracy": round(float(np.mean(hits)), 4) if hits else None for name, hits in right.items()} | {
        "photo_n": len(prompts)
    }


def _spelling(base: Base) -> dict[str, Any]:
    """Lettering on demand, read by OCR: similarity to the letters requested, and to those of the next prompt
    (chance).
    """
    prompts = spelling_prompts(50, str(load_concept("demo").config.expected_text))
    words = [word for _, word in prompts]
    read = Ocr("").read(_draw(base, [prompt for prompt, _ in prompts]))
    figures = {}
    for name, expected in (("spelled_score", words), ("spelled_chance", words[1:] + words[:1])):
        figures[name] = round(
            float(np.mean([compare(seen, word).similarity for seen, word in zip(read, expected, strict=True)])), 4
        )
    return figures | {"spelled_n": len(prompts)}


def _untrained_kpi(base: Base) -> dict[str, Any]:
    concept = load_concept("demo")
    prompts = concept.prompts() * 4
    pictures = _draw(base, prompts)
    kpi = thesis_kpi(judges_for(concept), pictures)
    return {"untrained_kpi": None if kpi is None else round(kpi, 4), "untrained_kpi_n": len(prompts)}


def _write_sheet(path: Path, pictures: list[np.ndarray]) -> None:
    columns = 8
    rows = [np.concatenate(pictures[i : i + columns], axis=1) for i in range(0, len(pictures) - columns + 1, columns)]
    save_sheet(path, np.concatenate(rows, axis=0))


def bar_lines(figures: BaseFigures) -> Iterator[str]:
    """A line per figure, with the bar that it should reach."""
    for key, value in figures.as_json().items():
        bar = BARS.get(key)
        verdict = ""
        if bar is not None and value is not None:
            lower_is_better = key in ("untrained_kpi", "size_mib")
            reached = value <= bar if lower_is_better else value >= bar
            verdict = f"  bar {'≤' if lower_is_better else '≥'} {bar}: {'reached' if reached else 'NOT reached'}"
        yield f"{key:22} {value}{verdict}"
