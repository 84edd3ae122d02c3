"""`brandsmith export`: an adapter as a file or folder that another program opens."""

from __future__ import annotations

import filecmp
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from brandsmith.base.base import Base
from brandsmith.base.foreign.flow_names import ENCODER_FILES, WITH_KOHYA_LAYOUT
from brandsmith.base.foreign.layouts import check_has_single_file, single_file_tensors
from brandsmith.base.foreign.lora_names import DEFAULT_LAYERS_PER_BLOCK, kohya_name, layers_per_block
from brandsmith.base.names import split_name
from brandsmith.base.sources import load_base, load_scheduler, outline_of, resolve_base
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.files import legal_name, remove_leftovers, write_safetensors
from brandsmith.core.notes import warn_once
from brandsmith.core.output import LEAST_FREE_BYTES, check_output_file, check_output_folder
from brandsmith.core.run import RunDirectory
from brandsmith.core.safe_weights import load_tensors, read_header
from brandsmith.export.bundle import bundled
from brandsmith.export.card import Card
from brandsmith.export.compact import compact_header, compact_tensors
from brandsmith.export.formats import layout_for
from brandsmith.export.headers import SHORT_ENCODERS, lora_header, spec_header, with_hashes
from brandsmith.export.hypernetwork_file import to_webui, write_webui
from brandsmith.export.low_rank import read_checkpoint, to_diffusers, to_kohya, to_kohya_fused
from brandsmith.export.lycoris import PRODUCTS, check_kind, lycoris_header, read_products, to_lycoris
from brandsmith.methods.adapter import (
    AdapterInfo,
    check_adapter,
    check_stored_adapter,
    export_diffusers_folder,
    find_adapter_file,
    load_adapter,
    read_adapter_info,
    recorded_base,
)
from brandsmith.methods.disk_space import base_bytes, bytes_below
from brandsmith.methods.lora import FILE as LORA_FILE
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.method import Words
from brandsmith.methods.textual_inversion import FILES, file_of

BUNDLING = ("a1111", "comfyui")
"""Programs that read a LoRA's new word in the LoRA's own file (`bundle.py`)."""
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class ExportJob:
    """A checkpoint, and what it is written as."""

    checkpoint: Path
    info: AdapterInfo
    out: Path
    dtype: torch.dtype
    card: Card
    base: Base | None = field(default=None, repr=False)
    """The base's outline; None where it is not on this machine."""
    prediction: str = ""
    """What the base's scheduler declares; empty where it is not on this machine."""
    bundles: bool = False
    """Whether the adapter's new words go into its own file."""
    word: Words | None = None
    """Whose vectors an embedding's file holds; None: the first concept's."""

    @property
    def token(self) -> str:
        """Of the embedding."""
        return (self.word or self.info.words).token

    def write(self, tensors: dict[str, torch.Tensor], header: dict[str, str]) -> Path:
        cast = {name: tensor.to(self.dtype) for name, tensor in tensors.items()}
        write_safetensors(self.out, cast, with_hashes(cast, header), exclusive=True)
        return self.out


def export_run(
    run: str | Path,
    out: str | Path,
    step: int | None = None,
    *,
    to: str | None = None,
    precision: str | None = None,
    card: Card | None = None,
) -> Path:
    """Write the adapter of a run for another program; `docs/export.md` says which file goes where.

    step: None is the last checkpoint. to: diffusers, kohya, comfyui, a1111, single-file or compact; None is what most
    programs read of the method. precision: fp32, fp16 or bf16; None is fp16 for single-file, else fp32. Nothing is
    overwritten. Raises MissingResource or InvalidConfig.
    """
    out = Path(out)
    checkpoint = RunDirectory(Path(run)).checkpoint_at(step)
    if out.exists() or out.is_symlink():
        remove_leftovers(out.parent)  # of one that was killed when its file was complete
        raise InvalidConfig(f"'{out}' exists", hint="give a new name: nothing is overwritten")
    if precision is not None and precision not in DTYPES:
        raise InvalidConfig(f"precision is '{precision}'", hint=f"allowed: {', '.join(DTYPES)}")
    info = read_adapter_info(checkpoint)
    layout = layout_for(info.method, info.family, to)
    if isinstance(info.settings, LoraConfig):
        layout = check_kind(info.settings, layout, to)
    if layout == "compact" and has_word_beside(info):
        raise InvalidConfig(
            f"the compact form holds weights alone, and this run has the new word {_quoted(info)} too",
            hint="export it with --to diffusers, as a folder with the word beside it",
        )
    dtype = DTYPES[precision or ("fp16" if layout == "single-file" else "fp32")]
    check_output_file(out, LEAST_FREE_BYTES + bytes_below(checkpoint))
    if info.method != "dreambooth" or has_word_beside(info):  # words are written first
        check_stored_adapter(checkpoint)
    base, prediction = _at_hand(checkpoint)
    job = ExportJob(checkpoint, info, out, dtype, card or Card(), base, prediction)
    if has_word_beside(info) and to in BUNDLING and layout == "kohya-lora":
        written = _bundled(job)
    else:
        written = _with_words(job, layout) if info.settings.token_vectors else _WRITERS[layout](job)
    if info.settings.acts_below < 1:
        warn_once(
            f"this adapter acts below {info.settings.acts_below:g} of the noise schedule; other programs draw with it"
            " from the first step on, and their pictures differ"
        )
    if skip := info.settings.clip_skip:
        warn_once(
            f"trained with clip_skip {skip}: set the same in diffusers, {skip + 1} in AUTOMATIC1111 and"
            f" -{skip + 1} in ComfyUI"
        )
    vae = split_name(info.base)[1]
    if vae and layout not in ("folder", "single-file"):
        warn_once(
            f"taught with the vae '{vae}' in place of the base's, which is not in this file: draw with it there too"
        )
    return written


def has_word_beside(info: AdapterInfo) -> bool:
    """Whether a new word was trained beside the method (`methods/pivotal.py`)."""
    return info.method != "textual_inversion" and info.settings.token_vectors is not None


def _bundled(job: ExportJob) -> Path:
    written = _kohya_lora(replace(job, bundles=True))
    warn_once(
        f"'{job.out}' holds the new word {_quoted(job.info)} too: AUTOMATIC1111 reads it with the LoRA; in ComfyUI the"
        f" file goes into models/embeddings as well, and 'embedding:{job.out.stem}' into the prompt"
    )
    return written


def _with_words(job: ExportJob, layout: str) -> Path:
    """The adapter, and its new words as files of their own beside it, as every program reads embeddings."""
    words = job.info.words
    beside = words.every if has_word_beside(job.info) else words.others
    files = [replace(job, out=job.out.with_name(f"{legal_name(own.token)}.safetensors"), word=own) for own in beside]
    write = _diffusers_embedding if layout in ("diffusers-lora", "diffusers-embedding", "folder") else _embedding
    missing = [own for own in files if not _is_written(own, job, write)]
    written: list[Path] = []
    try:
        for own in missing:
            written.append(write(own))
        adapter = _WRITERS[layout](job)
    except BaseException:
        for file in written:
            file.unlink()
        raise
    for own in files:
        warn_once(f"this adapter has a new word, '{own.token}': load '{own.out}' beside it as an embedding")
    return adapter


def _is_written(own: ExportJob, job: ExportJob, write: Callable[[ExportJob], Path]) -> bool:
    """Whether an embedding's file is there, byte for byte: of an export that was killed, or of an equal one before it.

    Raises InvalidConfig when its name belongs to anything else.
    """
    there = own.out.exists() or own.out.is_symlink()
    if own.out != job.out and not there:
        return False
    if own.out != job.out and own.out.is_file() and not own.out.is_symlink():
        with TemporaryDirectory(prefix="brandsmith-export-") as folder:
            if filecmp.cmp(write(replace(own, out=Path(folder) / own.out.name)), own.out, shallow=False):
                return True
    raise InvalidConfig(f"'{own.out}' is where the embedding of '{own.token}' goes", hint="export into another folder")


def _at_hand(checkpoint: Path) -> tuple[Base | None, str]:
    """The outline of the base that an adapter names, and what its scheduler predicts."""
    try:
        name = recorded_base(checkpoint)
    except MissingResource:  # an adapter can be exported where its base is not
        return None, ""
    return outline_of(name), str(load_scheduler(resolve_base(name)).config.get("prediction_type", ""))


def _kohya_lora(job: ExportJob) -> Path:
    settings = _lora_settings(job)
    products = read_products(job.checkpoint) if settings.kind in PRODUCTS else None
    layers = read_checkpoint(job.checkpoint, settings) if products is None else {}
    per_block = DEFAULT_LAYERS_PER_BLOCK if job.base is None else layers_per_block(job.base)
    fused = job.info.family in WITH_KOHYA_LAYOUT
    names = {} if fused else {place: kohya_name(job.info.family, *place, per_block) for place in products or layers}
    header = spec_header(job.info, job.card, job.prediction, "lora") | _network_header(job, settings)
    if fused and products is not None:
        raise InvalidConfig(f"kind '{settings.kind}' has no kohya layout for {job.info.family}", hint="use kind=lora")
    if products is not None:
        tensors = to_lycoris(products, names, settings)
    else:
        tensors = to_kohya_fused(layers, job.info.family) if fused else to_kohya(layers, names)
    return job.write(tensors | (_bundled_words(job) if job.bundles else {}), header)


def _bundled_words(job: ExportJob) -> dict[str, torch.Tensor]:
    every = [bundled(own.token, _vectors(replace(job, word=own))) for own in job.info.words.every]
    return {name: tensor for own in every for name, tensor in own.items()}


def _quoted(info: AdapterInfo) -> str:
    return ", ".join(f"'{token}'" for token in info.words.tokens)


def _diffusers_lora(job: ExportJob) -> Path:
    settings = _lora_settings(job)
    header = {"format": "pt", **spec_header(job.info, job.card, job.prediction, "lora")}
    if settings.kind == "dora":
        return job.write(*_as_stored(job, header))
    return job.write(to_diffusers(read_checkpoint(job.checkpoint, settings)), header)


def _as_stored(job: ExportJob, header: dict[str, str]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The checkpoint's tensors and its own words for diffusers: alpha is not folded in where lengths are apart."""
    own = read_header(job.checkpoint / LORA_FILE)
    tensors = load_tensors(own.file, {name: tensor.shape for name, tensor in own.tensors.items()})
    return tensors, header | {"lora_adapter_metadata": own.metadata["lora_adapter_metadata"]}


def _lora_settings(job: ExportJob) -> LoraConfig:
    assert isinstance(job.info.settings, LoraConfig)  # the header was checked
    return job.info.settings


def _network_header(job: ExportJob, settings: LoraConfig) -> dict[str, str]:
    if settings.kind in PRODUCTS:
        return lora_header(job.info, lycoris_header(settings), job.prediction)
    arguments = (
        f'{{"conv_dim": "{settings.rank}", "conv_alpha": "{settings.alpha}"}}' if settings.convolutions else "{}"
    )
    network = {
        "module": "networks.lora",
        "dim": str(settings.rank),
        "alpha": str(settings.layer_kind.alpha),
        "args": arguments,
    }
    return lora_header(job.info, network, job.prediction)


def _vectors(job: ExportJob) -> list[torch.Tensor]:
    """(vectors, width) of each text encoder."""
    found: list[torch.Tensor] = []
    main = job.token == job.info.token
    for file in (file_of(which, job.word or job.info.words, main) for which in range(len(FILES))):
        if (job.checkpoint / file).is_file():
            shapes = {name: tensor.shape for name, tensor in read_header(job.checkpoint / file).tensors.items()}
            found += load_tensors(job.checkpoint / file, shapes).values()
    return found


def _embedding(job: ExportJob, one_name: str = "emb_params") -> Path:
    if job.out.stem != job.token:
        warn_once(
            f"ComfyUI and AUTOMATIC1111 call an embedding by its file's name: write '{job.out.stem}' in prompts there,"
            f" or name the file {job.token}{job.out.suffix}"
        )
    vectors = _vectors(job)
    names = ENCODER_FILES.get(job.info.family) or ((one_name,) if len(vectors) == 1 else SHORT_ENCODERS)
    header = spec_header(job.info, job.card, job.prediction, "textual-inversion")
    return job.write(dict(zip(names, vectors, strict=True)), {"format": "pt", **header})


def _diffusers_embedding(job: ExportJob) -> Path:
    return _embedding(job, job.token)


def _hypernetwork(job: ExportJob) -> Path:
    file = find_adapter_file(job.checkpoint)
    tensors = load_tensors(file, {name: tensor.shape for name, tensor in read_header(file).tensors.items()})
    cast = {name: tensor.to(job.dtype) for name, tensor in tensors.items()}
    write_webui(job.out, to_webui(cast, job.info))
    return job.out


def _folder(job: ExportJob) -> Path:
    base = recorded_base(job.checkpoint)
    check_adapter(base, job.checkpoint)
    check_output_folder(job.out.parent, base_bytes(base, job.dtype))
    return export_diffusers_folder(load_base(base, device="cpu", precision="fp32"), job.checkpoint, job.out, job.dtype)


def _single_file(job: ExportJob) -> Path:
    """The whole model under the original code's names, as ComfyUI and AUTOMATIC1111 open it."""
    name = recorded_base(job.checkpoint)
    check_adapter(name, job.checkpoint)
    check_has_single_file(job.base or outline_of(name))
    check_output_folder(job.out.parent, base_bytes(name, job.dtype))
    base = load_base(name, device="cpu", dtype=torch.float32)
    with torch.no_grad(), load_adapter(base, job.checkpoint, with_word=False):
        tensors = {key: tensor.to(job.dtype) for key, tensor in single_file_tensors(base).items()}
    write_safetensors(job.out, tensors, spec_header(job.info, job.card, job.prediction), exclusive=True)
    return job.out


def _compact(job: ExportJob) -> Path:
    """The difference to the base, small; `brandsmith import` makes a run of it again."""
    name = recorded_base(job.checkpoint)
    check_adapter(name, job.checkpoint)
    base = load_base(name, device="cpu", dtype=torch.float32)
    trained = {}
    for file in sorted(job.checkpoint.glob("*.safetensors")):
        header = read_header(file)
        trained[file.stem] = load_tensors(file, {key: tensor.shape for key, tensor in header.tensors.items()})
    said = spec_header(job.info, job.card, job.prediction) | compact_header(base)
    own = read_header(find_adapter_file(job.checkpoint)).metadata
    write_safetensors(job.out, compact_tensors(base, trained), {**own, **said}, exclusive=True)
    return job.out


_WRITERS: dict[str, Callable[[ExportJob], Path]] = {
    "kohya-lora": _kohya_lora,
    "diffusers-lora": _diffusers_lora,
    "embedding": _embedding,
    "diffusers-embedding": _diffusers_embedding,
    "hypernetwork": _hypernetwork,
    "folder": _folder,
    "single-file": _single_file,
    "compact": _compact,
}
