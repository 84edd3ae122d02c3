"""LoRAs made of what is there: extracted from a fine-tuned model, merged, resized. Each result is a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from brandsmith.base.base import Base
from brandsmith.base.sources import check_base, family_of, load_base, outline_of
from brandsmith.concept.concept import check_class_word, check_token
from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.run import RunDirectory
from brandsmith.core.text import is_there
from brandsmith.export.import_run import Imported, lora_as_ours, write_run
from brandsmith.export.lora_words import merged_words
from brandsmith.export.low_rank import LowRank, merged, nearest, read_checkpoint, resized
from brandsmith.export.read_lora import read_lora_file
from brandsmith.methods.adapter import check_adapter, load_adapter, read_adapter_info
from brandsmith.methods.lora import FILE, LoraConfig
from brandsmith.methods.method import Words

LARGEST_RANK = 4096
MERGED = "merged"
"""Token of LoRAs that bring none."""
UNCHANGED = 1e-7
"""A layer whose weights differ by less than this share of their size was not trained."""
Layers = dict[tuple[str, str], LowRank]


def read_layers(source: str | Path, outline: Base) -> Layers:
    """The layers of a LoRA run of ours, or of a file of any program. Raises InvalidInput, InvalidConfig."""
    source = Path(source)
    if not source.is_dir():
        return read_lora_file(source, outline)
    checkpoint = checkpoint_of(source)
    settings = read_adapter_info(checkpoint).settings
    if not isinstance(settings, LoraConfig):
        raise InvalidConfig(f"'{source}' is a {settings.method} run", hint="give LoRA runs or LoRA files")
    encoders = outline.named_encoders()
    layers = {}
    for (part, module), layer in read_checkpoint(checkpoint, settings).items():
        whole = part not in encoders or hasattr(encoders[part], "text_model")
        layers[part, module if whole else module.removeprefix("text_model.")] = layer
    return layers


def checkpoint_of(source: Path) -> Path:
    """Of a run the last one; a checkpoint's own folder is one. Raises MissingResource."""
    return source if (source / FILE).is_file() else RunDirectory(source).checkpoint_at()


def check_source(source: str | Path) -> None:
    """What is known of a LoRA run or file before its base is asked for. Raises InvalidInput, InvalidConfig."""
    if not is_there(Path(source)):
        raise InvalidInput(f"no LoRA run or LoRA file '{source}'", hint="check the name")


def merge_loras(
    sources: Sequence[str | Path],
    weights: Sequence[float],
    base: str,
    run: str | Path,
    *,
    words: Words | None = None,
    rank: int | None = None,
) -> RunDirectory:
    """The weighted sum of LoRAs as a new run. rank: None keeps it exact, ranks then add up; a number cuts it to that.

    sources: LoRA runs, checkpoint folders, or files. weights: one per source, or none for 1 each. words: None keeps the
    runs' own tokens with their new words (`lora_words.py`); given, the layers alone are added, under that token.

    Raises InvalidConfig, InvalidInput, InvalidConcept.
    """
    if weights and len(weights) != len(sources):
        raise InvalidConfig(f"{len(weights)} weights for {len(sources)} LoRAs", hint="give --weight once for each")
    words = None if words is None else _checked(words)
    RunDirectory(Path(run)).check_folder()
    for source in sources:
        check_source(source)
    outline, weights = outline_of(base), weights or [1.0] * len(sources)
    pairs = [(read_layers(source, outline), weight) for source, weight in zip(sources, weights, strict=True)]
    layers = resized(merged(pairs), rank) if rank else merged(pairs)
    runs = [
        (checkpoint_of(Path(own)), weight) for own, weight in zip(sources, weights, strict=True) if Path(own).is_dir()
    ]
    kept = merged_words([folder for folder, _ in runs], [weight for _, weight in runs]) if words is None else None
    if kept is None:
        return _written(layers, outline, words or Words(MERGED, "object"), run, sources)
    made = lora_as_ours(layers)
    own = {"num_vectors": kept.num_vectors, "acts_below": kept.acts_below}
    imported = Imported(made.settings.model_copy(update=own), {**made.files, **kept.files})
    return write_run(imported, outline, kept.words, run, _origin(sources))


def own_words(token: str | None, class_word: str | None) -> Words | None:
    """Of a merge: None where the runs keep theirs. Raises InvalidConfig for a class word alone."""
    if class_word and not token:
        raise InvalidConfig("--class-word is given without --token", hint="give both: the runs keep their own words")
    return Words(token, class_word or "object") if token else None


def _checked(words: Words) -> Words:
    """Raises InvalidConfig."""
    return replace(words, token=check_token(words.token), class_word=check_class_word(words.class_word))


def extract_lora(tuned: str | Path, base: str, run: str | Path, *, rank: int, words: Words) -> RunDirectory:
    """The LoRA of `rank` nearest to what a fine-tuned model differs from its base by.

    tuned: a base of any form, or a DreamBooth run on `base`. Loads both. Raises InvalidInput when nothing differs.
    """
    words = _checked(words)
    RunDirectory(Path(run)).check_folder()
    checkpoint = RunDirectory(Path(tuned)).checkpoint_at() if RunDirectory(Path(tuned)).checkpoints() else None
    _check_comparable(str(tuned), checkpoint, base)
    before = load_base(base, device="cpu", dtype=torch.float32)
    found: Layers = {}
    if checkpoint:
        originals = {name: weight.clone() for name, weight in _weights(before).items()}
        with load_adapter(before, checkpoint):
            found = _differences(originals, before, rank)
    else:
        found = _differences(_weights(before), load_base(str(tuned), device="cpu", dtype=torch.float32), rank)
    if not found:
        raise InvalidInput(f"'{tuned}' and '{base}' have the same layers' weights", hint="give a fine-tuned model")
    return _written(found, before, words, run, [tuned])


def _check_comparable(tuned: str, checkpoint: Path | None, base: str) -> None:
    """Everything that is known without weights."""
    if checkpoint:
        check_base(base)
        check_adapter(base, checkpoint)
        return
    for name in sorted((tuned, base), key=lambda name: not is_there(Path(name))):  # what is here is looked at first
        check_base(name)
    theirs, ours = family_of(tuned), family_of(base)
    if theirs is not ours:
        raise InvalidConfig(f"'{tuned}' is of family {theirs.name}, '{base}' of {ours.name}", hint="give its own base")


def _weights(base: Base) -> dict[tuple[str, str], torch.Tensor]:
    """The weights of every layer that a LoRA can change, by part and path."""
    parts = {base.family.denoiser_name: base.denoiser, **base.named_encoders()}
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    return {
        (part, name): layer.weight.detach()
        for part, module in parts.items()
        for name, layer in module.named_modules()
        if isinstance(layer, kinds)
    }


def _differences(before: dict[tuple[str, str], torch.Tensor], after: Base, rank: int) -> Layers:
    found: Layers = {}
    for place, weight in _weights(after).items():
        if place not in before or before[place].shape != weight.shape:
            what = "has another shape in the base" if place in before else "is not in the base"
            raise InvalidInput(f"{'.'.join(place)} {what}", hint="give the model's own base")
        difference = weight - before[place]
        if float(difference.norm()) > UNCHANGED * float(weight.norm()):
            found[place] = nearest(difference, rank)
    return found


def _written(
    layers: Layers, outline: Base, words: Words, run: str | Path, sources: Sequence[str | Path]
) -> RunDirectory:
    return write_run(lora_as_ours(layers), outline, words, run, _origin(sources))


def _origin(sources: Sequence[str | Path]) -> str:
    return " + ".join(Path(source).name for source in sources)
