"""`brandsmith import`: a file of another program as a run directory, which every other command takes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from brandsmith.base.base import Base
from brandsmith.base.foreign.flow_names import ENCODER_FILES
from brandsmith.base.foreign.pickles import read_pickle
from brandsmith.base.sources import load_base, outline_of
from brandsmith.concept.concept import MOST_TOKEN_CHARACTERS, check_class_word, check_token
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import write_safetensors
from brandsmith.core.run import RunDirectory
from brandsmith.core.safe_weights import check_finite, load_tensors, read_header
from brandsmith.core.text import shortened
from brandsmith.export.bundle import bundled_vectors, bundled_word
from brandsmith.export.compact import is_compact, restore_tensors
from brandsmith.export.hypernetwork_file import from_webui
from brandsmith.export.low_rank import LowRank, of_one_rank
from brandsmith.export.read_lora import is_lora_file, read_lora_file
from brandsmith.methods.adapter import build_metadata, check_adapter, info_of_file
from brandsmith.methods.dreambooth import DreamBoothConfig
from brandsmith.methods.hypernetwork import FILE as HYPERNETWORK_FILE
from brandsmith.methods.hypernetwork import HypernetworkConfig
from brandsmith.methods.lora import FILE as LORA_FILE
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.method import Words
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.textual_inversion import FILES, TextualInversionConfig

_NOT_IN_A_TOKEN = re.compile(r"[^A-Za-z0-9_\-<>]+")
PICKLES = (".pt", ".bin", ".pth")


@dataclass(frozen=True)
class Imported:
    """The settings that make an adapter of ours of a file, and the files to write."""

    settings: TrainSettings
    files: Mapping[str, Mapping[str, torch.Tensor]]


def import_adapter(
    file: str | Path,
    base: str,
    run: str | Path,
    *,
    token: str | None = None,
    class_word: str = "object",
    allow_pickle: bool = False,
) -> RunDirectory:
    """Read a LoRA, an embedding or a hypernetwork of another program into a new run directory.

    token: None is what the file calls itself, else its name. allow_pickle: also `.pt` and `.bin`, of which tensors and
    plain values alone are read. The base's weights are not loaded. Raises InvalidInput, InvalidConfig, MissingResource;
    a file that fits no layer of the base is one.
    """
    file = Path(file)
    if not file.is_file():
        raise MissingResource(f"'{file}' is not there, or is no file", hint="give a .safetensors, .pt or .bin file")
    given = check_token(token) if token else None
    check_class_word(class_word)
    RunDirectory(Path(run)).check_folder()
    if file.suffix == ".safetensors" and is_compact(read_header(file)):
        return _restored(file, base, run)
    outline = outline_of(base)
    words = Words(given or _token_of(file), class_word)
    return write_run(_read(file, outline, words, allow_pickle), outline, words, run, file.name)


def write_run(imported: Imported, outline: Base, words: Words, run: str | Path, origin: str) -> RunDirectory:
    """A finished run directory of one checkpoint, at step 0, checked against the base. `origin` is kept in it."""
    directory = RunDirectory(Path(run))
    others = [{"token": own.token, "class_word": own.class_word} for own in words.others]
    concept: dict[str, Any] = {"token": words.token, "class_word": words.class_word, "imported_from": origin}
    concept |= {"also": others} if others else {}
    record = {"base": outline.name, "concept": concept, "settings": imported.settings.model_dump(mode="json")}
    header = {"format": "pt", **build_metadata(imported.settings, outline, words, 0)}
    directory.check_folder()
    directory.check_config(record)
    with _nothing_left_of(directory.folder), directory.locked():
        directory.start(record)
        with directory.writing_checkpoint(0) as folder:
            for name, tensors in imported.files.items():
                write_safetensors(folder / name, tensors, header)
            check_adapter(outline, folder)
        directory.set_status("finished", 0)
    return directory


@contextmanager
def _nothing_left_of(folder: Path) -> Iterator[None]:
    """Where the work in a new or empty folder fails, what it wrote there goes again."""
    there = folder.is_dir()
    before = set(folder.iterdir()) if there else set()
    try:
        yield
    except BaseException:
        for path in set(folder.iterdir()) - before if folder.is_dir() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not there and folder.is_dir():
            folder.rmdir()
        raise


def _restored(file: Path, base: str, run: str | Path) -> RunDirectory:
    """A compact file of ours as the DreamBooth run it was made from; loads the base's weights."""
    info = info_of_file(file)
    if not isinstance(info.settings, DreamBoothConfig):
        raise InvalidInput(f"'{file}' is compact and of method {info.method}", hint="export it again")
    loaded = load_base(base, device="cpu", dtype=torch.float32)
    parts = [loaded.family.denoiser_name]
    if info.settings.text_encoder_learning_rate > 0:
        parts += loaded.named_encoders()
    tensors = restore_tensors(file, loaded, parts)
    files = {f"{part}.safetensors": own for part, own in tensors.items()}
    return write_run(Imported(info.settings, files), loaded, info.words, run, file.name)


def _read(file: Path, outline: Base, words: Words, allow_pickle: bool) -> Imported:
    if file.suffix in PICKLES:
        record = read_pickle(file, allow_pickle)
        return (
            _hypernetwork(file, record)
            if "layer_structure" in record
            else _embedding(file, _vectors_in(record), outline, words)
        )
    if is_lora_file(file):
        return _with_bundled_word(lora_as_ours(read_lora_file(file, outline)), file, outline, words)
    return _embedding(file, _tensors(file), outline, words)


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    return load_tensors(file, {name: tensor.shape for name, tensor in read_header(file).tensors.items()})


def _bundled_name(file: Path) -> str:
    return bundled_word(list(read_header(file).tensors), file) if file.suffix == ".safetensors" else ""


def _with_bundled_word(lora: Imported, file: Path, outline: Base, words: Words) -> Imported:
    """The LoRA with the new word that its file bundles, as one of ours has it (`methods/pivotal.py`)."""
    if not _bundled_name(file):
        return lora
    word = _embedding(file, bundled_vectors(_tensors(file)), outline, words)
    settings = lora.settings.model_copy(update={"num_vectors": word.settings.token_vectors})
    return Imported(settings, {**lora.files, **word.files})


def _token_of(file: Path) -> str:
    """The word that the file bundles; else what it says of itself (`modelspec`, `ss_output_name`), else its name."""
    said: Mapping[str, str] = read_header(file).metadata if file.suffix == ".safetensors" else {}
    name = _bundled_name(file) or said.get("modelspec.trigger_phrase") or said.get("ss_output_name") or file.stem
    return _NOT_IN_A_TOKEN.sub("_", name).strip("_")[:MOST_TOKEN_CHARACTERS].lower() or "imported"


def lora_as_ours(layers: Mapping[tuple[str, str], LowRank]) -> Imported:
    """Layers of any ranks and strengths as a LoRA of ours, whose layers have one rank and one alpha."""
    even = of_one_rank(layers)
    rank = next(iter(even.values())).rank
    modules: dict[str, list[str]] = {}
    tensors = {}
    for (part, module), layer in even.items():
        modules.setdefault(part, []).append(module)
        name = f"{part}.{_in_files(part, module)}"
        tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"] = layer.down, layer.up
    settings = LoraConfig(rank=rank, alpha=float(rank), modules={part: tuple(names) for part, names in modules.items()})
    return Imported(settings, {LORA_FILE: tensors})


def _in_files(part: str, module: str) -> str:
    """A layer's path as files have it: transformers 5 dropped `text_model.` from one of its classes, files keep it."""
    plain = not part.startswith("text_") or module.startswith(("text_model.", "text_projection"))
    return module if plain else f"text_model.{module}"


def _vectors_in(record: Mapping[Any, Any]) -> dict[str, torch.Tensor]:
    inner = record.get("string_to_param", record)
    if not isinstance(inner, Mapping):
        return {}
    return {str(name): tensor for name, tensor in inner.items() if isinstance(tensor, torch.Tensor)}


def _embedding(file: Path, tensors: Mapping[str, torch.Tensor], outline: Base, words: Words) -> Imported:
    widths = [encoder.get_input_embeddings().weight.shape[1] for encoder in outline.text_encoders]
    names = ENCODER_FILES.get(outline.family.name, ("clip_l", "clip_g"))
    taken = [name for name in names[: len(widths)] if name in tensors] or list(tensors)[:1]
    if unread := sorted(tensors.keys() - set(taken)):
        raise InvalidInput(
            f"'{file}' holds more than one embedding for base '{outline.name}': {shortened(', '.join(unread))} too",
            hint="give a file of one embedding, or the base that it was made for with --base",
        )
    vectors = [tensors[name] for name in taken]
    vectors = [
        vector.float().reshape(-1, vector.shape[-1]) for vector in vectors if vector.dim() in (1, 2) and vector.numel()
    ]
    found, wanted = (
        [tuple(vector.shape) for vector in vectors],
        [(len(vectors[0]) if vectors else 1, width) for width in widths],
    )
    if found != wanted:
        raise InvalidInput(
            f"'{file}' holds vectors of {found or 'no'} shape, and base '{outline.name}' ({outline.family.name}) reads"
            f" {wanted}",
            hint="give the base that the file was made for with --base",
        )
    for vector in vectors:
        check_finite([(words.token, vector)], file)
    settings = TextualInversionConfig(num_vectors=len(vectors[0]))
    return Imported(settings, {name: {words.token: vector} for name, vector in zip(FILES, vectors, strict=False)})


def _hypernetwork(file: Path, record: Mapping[Any, Any]) -> Imported:
    try:
        tensors = from_webui(record)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InvalidConfig(
            f"'{file}' is a hypernetwork of another structure ({error})", hint="use another file"
        ) from None
    first = next((t for name, t in tensors.items() if name.endswith("enter.weight")), None)
    if first is None:
        raise InvalidInput(f"'{file}' holds no networks", hint="use another file")
    settings = HypernetworkConfig(expansion=first.shape[0] // first.shape[1])
    return Imported(settings, {HYPERNETWORK_FILE: {name: tensor.float() for name, tensor in tensors.items()}})
