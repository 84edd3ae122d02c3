"""`brandsmith benchmark compact`: how small is a DreamBooth training as a difference, and what does its KPI lose?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from brandsmith.base.random_sd15 import sd15_unet_shapes
from brandsmith.base.sources import load_base, resolve_base
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.core.safe_weights import load_tensors, read_header
from brandsmith.evaluate.chain import judges_for
from brandsmith.evaluate.checkpoint import Cases, judge_checkpoint, sample_checkpoint
from brandsmith.export.compact import num_bytes, num_bytes_fp32
from brandsmith.export.export_run import export_run
from brandsmith.export.import_run import import_adapter
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import read_adapter_info
from brandsmith.results.kpi import kpi_of

FIRST_SEED = 1000


@dataclass(frozen=True)
class CompactFigures:
    compact_bytes: int
    full_bytes: int
    """Of the trained weights in fp32, as a checkpoint stores them and a folder is exported."""
    compact_ratio: float
    """Bytes, against fp32."""
    compact_ratio_fp16: float
    """Against a single file's fp16."""
    compact_ratio_sd15: float
    """Of the weights of Stable Diffusion 1.5's U-Net, from its shapes and the bits a number takes here."""
    relative_error: float
    """Of the restored difference, root of the mean square over the U-Net."""
    full_kpi: float
    compact_kpi: float
    compact_kpi_drop: float
    num_pictures: int

    def as_json(self) -> dict[str, float]:
        return asdict(self)


def benchmark_compact(
    run: Path, concept_name: str, *, num_seeds: int = 8, step: int | None = None, log: Callable[[str], None] = print
) -> CompactFigures:
    """Export a DreamBooth run as a difference, restore it, draw the concept's prompts with both, judge them.

    Raises InvalidConfig for a run of another method.
    """
    checkpoint = RunDirectory(run).checkpoint_at(step)
    info = read_adapter_info(checkpoint)
    if info.method != "dreambooth":
        raise InvalidConfig(f"'{run}' is a {info.method} run", hint="give a DreamBooth run with --run")
    shapes = [
        tensor.shape for file in checkpoint.glob("*.safetensors") for tensor in read_header(file).tensors.values()
    ]
    with TemporaryDirectory() as folder:
        log("exporting")
        file = export_run(run, Path(folder) / "compact.safetensors", step, to="compact")
        back = import_adapter(file, info.base, Path(folder) / "restored").checkpoint_at()
        error = _relative_error(info.base, checkpoint, back)
        kpis = _kpis({"full": checkpoint, "compact": back}, info.base, concept_name, num_seeds, Path(folder), log)
        size, bits = file.stat().st_size, _bits_of_a_number(file, shapes)
    full = num_bytes_fp32(shapes)
    published = sd15_unet_shapes()
    return CompactFigures(
        compact_bytes=size,
        full_bytes=full,
        compact_ratio=size / full,
        compact_ratio_fp16=2 * size / full,
        compact_ratio_sd15=sum(num_bytes(shape, bits) for shape in published) / num_bytes_fp32(published),
        relative_error=error,
        full_kpi=kpis["full"],
        compact_kpi=kpis["compact"],
        compact_kpi_drop=kpis["full"] - kpis["compact"],
        num_pictures=num_seeds * len(load_concept(concept_name).prompts()),
    )


def _bits_of_a_number(file: Path, shapes: Iterable[tuple[int, ...]]) -> float:
    coded = sum(prod(tensor.shape) for name, tensor in read_header(file).tensors.items() if name.endswith(":codes"))
    return 8 * coded / sum(prod(shape) for shape in shapes if len(shape) > 1)


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        header = read_header(file)
        own = load_tensors(file, {name: tensor.shape for name, tensor in header.tensors.items()})
        found |= {f"{file.stem}.{name}": tensor for name, tensor in own.items()}
    return found


def _relative_error(base_name: str, full: Path, compact: Path) -> float:
    base = load_base(base_name, device="cpu", dtype=torch.float32)
    parts = {base.family.denoiser_name: base.denoiser, **base.named_encoders()}
    before = {f"{part}.{name}": weight for part, module in parts.items() for name, weight in module.named_parameters()}
    wrong = moved = 0.0
    other = _tensors(compact)
    for name, after in _tensors(full).items():
        wrong += float((other[name] - after).square().sum())
        moved += float((after - before[name]).square().sum())
    return (wrong / moved) ** 0.5


def _kpis(
    checkpoints: Mapping[str, Path],
    base_name: str,
    concept_name: str,
    num_seeds: int,
    folder: Path,
    log: Callable[[str], None],
) -> dict[str, float]:
    concept, base = load_concept(concept_name), load_base(base_name)
    chain = judges_for(concept, resolve_base(base_name))
    judges = [chain[name] for name in ("detector", "ocr") if name in chain]
    seeds = tuple(range(FIRST_SEED, FIRST_SEED + num_seeds))
    cases = Cases(tuple(concept.prompts()), seeds, DrawSettings())
    found = {}
    for name, checkpoint in checkpoints.items():
        log(f"drawing and judging: {name}")
        shots = cases.shots(name, 0)
        paths = sample_checkpoint(base, folder / name, cases, shots, checkpoint)
        average = kpi_of(judge_checkpoint(folder / f"{name}.jsonl", shots, paths, judges)).average
        if average is None:
            raise InvalidConfig(f"the KPI of '{concept_name}' could not be measured", hint="fit its judges first")
        found[name] = average
    return found
