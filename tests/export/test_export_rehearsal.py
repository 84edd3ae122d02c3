"""Every form of a base, by every method, by every export: it comes back as the same model, or is refused in a sentence.

`make test` goes through Stable Diffusion 1.x as a single file and pocket, whose U-Net has a layer that others have not;
`make rehearsal` (REHEARSAL=all) through every family and form. The bases are small and random, of the published
structures; adapters are random too, because what is tested is files. One prediction stands for a picture:
`test_export_formats.py` compares stock diffusers' pictures.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_bases import build_small

from brandsmith.base.base import Base, encode_prompts, predict
from brandsmith.base.foreign.layouts import single_file_tensors
from brandsmith.base.prompt_tokens import expand_prompts
from brandsmith.base.sources import load_base
from brandsmith.base.stock import save_stock_folder, stock_pipeline
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.export.export_run import export_run
from brandsmith.export.formats import LAYOUTS, TARGETS
from brandsmith.export.import_run import import_adapter
from brandsmith.methods.adapter import build_metadata, load_adapter
from brandsmith.methods.method import Words
from brandsmith.methods.registry import METHODS, build_config

WORDS = Words("red_qoga_logo", "logo")
SMALL = {
    "lora": {"rank": 2, "alpha": 3.0, "convolutions": True, "feed_forward": True, "text_encoder_learning_rate": 1e-4},
    "textual_inversion": {"num_vectors": 2},
}
MOVES = {"lora": 0.1, "textual_inversion": 0.3, "hypernetwork": 0.05, "dreambooth": 0.003}
FORMS = [("sd1", "file"), ("pocket", "itself")]
if os.environ.get("REHEARSAL") == "all":
    FORMS += [("sd1", "folder"), ("sd1", "fp16 folder"), ("sd2", "file"), ("sdxl", "file"), ("sdxl", "folder")]
    FORMS += [("sdxl", "fp16 folder")]


def write_base(family: str, form: str, folder: Path) -> str:
    if family == "pocket":
        return family
    base = build_small(family, folder / "tokenizer")
    if form == "file":
        tensors = {name: tensor.contiguous() for name, tensor in single_file_tensors(base).items()}
        save_file(
            tensors, folder / "base.safetensors", {"modelspec.prediction_type": "v" if family == "sd2" else "epsilon"}
        )
        return str(folder / "base.safetensors")
    if form == "folder":
        save_stock_folder(base, folder / "base")
    else:
        stock_pipeline(base).save_pretrained(folder / "base", variant="fp16")
    return str(folder / "base")


@torch.no_grad()
def prediction(base: Base) -> torch.Tensor:
    latents = torch.randn(1, base.latent_shape[0], 8, 8, generator=torch.Generator().manual_seed(1))
    conditioning = encode_prompts(base, expand_prompts(base.tokenizer, [f"a {WORDS.token} on a cap"]), (64, 64))
    return predict(base, latents, torch.tensor([400]), conditioning)


@dataclass(frozen=True)
class Adapter:
    """A random adapter in a run directory; what its base predicts without it and with it."""

    run: Path
    plain: torch.Tensor
    taught: torch.Tensor


def write_adapter(name: str, method: str, folder: Path) -> Adapter:
    base = load_base(name, dtype=torch.float32)
    plain, settings = prediction(base), build_config(method, **SMALL.get(method, {}))
    attached = METHODS[method].attach(base, settings, WORDS)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for group in attached.groups:
            for parameter in group.parameters.values():
                parameter.add_(MOVES[method] * torch.randn(parameter.shape, generator=generator))
    run = RunDirectory(folder / method)
    run.start({"base": name, "concept": {"token": WORDS.token}, "settings": settings.model_dump(mode="json")})
    with run.writing_checkpoint(1) as checkpoint:
        attached.write(checkpoint, build_metadata(settings, base, WORDS, 1))
    taught = prediction(base)
    attached.detach()
    return Adapter(run.folder, plain, taught)


def come_back(adapter: Adapter, name: str, to: str, folder: Path) -> torch.Tensor:
    """What is predicted with the export read back: as a base where it is a whole model, else as an imported run."""
    method = adapter.run.name
    whole = method == "dreambooth" and to != "compact"
    ending = "" if to == "diffusers" and whole else ".pt" if method == "hypernetwork" else ".safetensors"
    out = export_run(adapter.run, folder / f"{method}-{to}{ending}", to=to)
    if whole:
        return prediction(load_base(str(out), dtype=torch.float32))
    run = import_adapter(out, name, folder / f"{method}-{to}-run", token=WORDS.token, allow_pickle=True)
    base = load_base(name, dtype=torch.float32)
    with load_adapter(base, run.checkpoint_at()):
        return prediction(base)


TOLERANCE = {"single-file": 0.1, "compact": 0.7}
"""Of what the training moved: a single file is in fp16, compact keeps signs; others are the same numbers."""


@pytest.mark.slow
@pytest.mark.parametrize(("family", "form"), FORMS, ids=[f"{family} {form}" for family, form in FORMS])
def test_every_cell_works_or_is_refused_by_a_sentence(family, form, tmp_path, monkeypatch):
    monkeypatch.setenv("BRANDSMITH_CACHE", str(tmp_path / "cache"))
    name = write_base(family, form, tmp_path)
    works = refused = 0
    for method in METHODS:
        adapter = write_adapter(name, method, tmp_path)
        moved = float((adapter.taught - adapter.plain).norm())
        assert moved > 0.001 * float(adapter.plain.norm()), "nothing moved: equality would prove nothing"
        one_each = {layout: to for to, layout in reversed(LAYOUTS[method].items())}  # others are the same files
        for to in TARGETS:
            if to not in LAYOUTS[method]:
                with pytest.raises(InvalidConfig, match=f"--to {to} does not go with {method}") as stop:
                    export_run(adapter.run, tmp_path / "no", to=to)
                assert stop.value.hint.startswith("allowed: ")
                refused += 1
            elif name == "pocket" and LAYOUTS[method][to] == "single-file":
                with pytest.raises(
                    InvalidConfig, match="no single file can hold this model: its unet has 'encoder_hid"
                ):
                    export_run(adapter.run, tmp_path / "no", to=to)
                assert not (tmp_path / "no").exists()
            elif one_each[LAYOUTS[method][to]] == to:
                error = float((come_back(adapter, name, to, tmp_path) - adapter.taught).norm())
                assert error <= TOLERANCE.get(to, 0.01) * moved, f"{method} --to {to}: {error / moved:.3f}"
                works += 1
    assert (works, refused) == (7 if name == "pocket" else 8, 8), "cells looked at"
