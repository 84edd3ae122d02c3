"""A LoRA in the weights of its base: a new base, to draw with anywhere and to train the next LoRA on.

diffusers' `fuse_lora`, kohya's `base_weights`. What the layers add is put into the weights, and a new word's vectors
into the text encoders, so that the folder holds no adapter any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from peft.tuners.tuners_utils import BaseTunerLayer

from brandsmith.base.base import Base
from brandsmith.base.sources import load_base
from brandsmith.base.stock import save_stock_folder
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import replacing_folder
from brandsmith.core.notes import warn_once
from brandsmith.core.output import check_output_folder
from brandsmith.core.run import RunDirectory
from brandsmith.methods.adapter import AdapterInfo, check_adapter, load_adapter, read_adapter_info, recorded_base
from brandsmith.methods.disk_space import base_bytes
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.textual_inversion import AttachedTextualInversion, TextualInversionConfig, plain_embedding


def fuse_lora(
    run: str | Path, out: str | Path, step: int | None = None, *, base: str | None = None, weight: float = 1.0
) -> Path:
    """Write the base of a LoRA run with the LoRA in its weights, as a diffusers folder in fp32.

    step: None is the last checkpoint. base: None is the one it was trained on. weight: what it adds counts so much.
    Nothing is overwritten. Raises MissingResource, InvalidConfig, InvalidInput before weights load.
    """
    out, checkpoint = Path(out), RunDirectory(Path(run)).checkpoint_at(step)
    if out.exists() or out.is_symlink():
        raise InvalidConfig(f"'{out}' exists", hint="give a new folder: nothing is overwritten")
    info = read_adapter_info(checkpoint)
    if not isinstance(info.settings, LoraConfig):
        raise InvalidConfig(f"'{run}' is a {info.method} run, and no LoRA", hint=_WHOLE.get(info.method, _NO_WEIGHTS))
    name = base or recorded_base(checkpoint)
    check_adapter(name, checkpoint)
    check_output_folder(out.parent, base_bytes(name, torch.float32))
    if info.settings.acts_below < 1:
        warn_once(
            f"this LoRA acts below {info.settings.acts_below:g} of the noise schedule; in the base it acts always"
        )
    loaded = load_base(name, device="cpu", dtype=torch.float32)
    put_in(loaded, checkpoint, weight)
    with replacing_folder(out) as partial, torch.no_grad(), _with_words(loaded, info, checkpoint):
        save_stock_folder(loaded, partial)
    return out


_WHOLE = {"dreambooth": "brandsmith export RUN --to diffusers writes a whole model"}
_NO_WEIGHTS = "give a LoRA run; a LoRA file becomes one by brandsmith import"


@torch.no_grad()
def put_in(base: Base, checkpoint: Path, weight: float = 1.0) -> None:
    """Add what a LoRA's layers compute to the weights of a loaded base, which then is another one."""
    with load_adapter(base, checkpoint, with_word=False, strength=weight):
        for module in base.modules():
            for layer in module.modules():
                if isinstance(layer, BaseTunerLayer):
                    layer.merge()


@contextmanager
def _with_words(base: Base, info: AdapterInfo, checkpoint: Path) -> Iterator[None]:
    """The adapter's new words as rows of the text encoders' own tables, where it has any."""
    number = info.settings.token_vectors
    if not number:
        yield
        return
    word = AttachedTextualInversion(base, TextualInversionConfig(num_vectors=number), info.words, None)
    try:
        word.read(checkpoint)
        for encoder in base.text_encoders:
            encoder.set_input_embeddings(plain_embedding(encoder.get_input_embeddings()))
            encoder.config.vocab_size = encoder.get_input_embeddings().num_embeddings
        yield
    finally:
        word.detach()
