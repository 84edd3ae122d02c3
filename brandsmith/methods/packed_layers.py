"""Layers that hold the weights of many trials and give every sample of a batch its own.

LoRA's correction of all trials is one batched product (Chen et al. 2023, "Punica", serve many adapters so; here they
train). It is added by a hook, so that no module of the base is replaced.

Shapes: K trials, N samples, T tokens, R the largest rank, I inputs, O outputs of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F

from brandsmith.base.base import Base
from brandsmith.methods.lora import AttachedLora
from brandsmith.methods.method import Attached
from brandsmith.methods.packed_stack import Stack
from brandsmith.methods.textual_inversion import AttachedTextualInversion, ExtendedEmbedding, NewWord

_DOWN, _UP = ".lora_A.default.weight", ".lora_B.default.weight"


class SampleRows:
    """Which trial each sample of the batch in hand belongs to. Set before every forward pass."""

    def __init__(self, num_trials: int, device: torch.device) -> None:
        self.num_trials, self.device = num_trials, device

    def set(self, trials: Sequence[int]) -> None:
        each = len(trials) // self.num_trials
        self.even = list(trials) == [k for k in range(self.num_trials) for _ in range(each)]
        self.index = torch.tensor(trials, device=self.device)

    def of(self, stacked: torch.Tensor) -> torch.Tensor:
        """(K, …) as it is when every trial has equally many samples, in order; otherwise each sample's (N, …)."""
        return stacked if self.even else stacked.index_select(0, self.index)


class PackedLowRank:
    """A forward hook: a linear layer's output plus strength B A x, each sample with its own trial's A and B."""

    def __init__(self, down: torch.Tensor, up: torch.Tensor, strength: torch.Tensor, rows: SampleRows) -> None:
        self.down, self.up, self.strength, self.rows = down, up, strength, rows  # (K, R, I), (K, O, R), (K, 1, 1)

    def __call__(self, layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        """(N, T, I), (N, T, O) -> (N, T, O)."""
        down, up, strength = (self.rows.of(stacked) for stacked in (self.down, self.up, self.strength))
        x = inputs[0].reshape(len(down), -1, down.shape[-1])
        hidden = torch.bmm(x.to(down.dtype), down.mT) * strength
        y = output.view(len(up), -1, up.shape[-2])
        return torch.baddbmm(y, hidden.to(y.dtype), up.mT.to(y.dtype)).view_as(output)


class PackedEmbedding(ExtendedEmbedding):
    """New rows `vectors` (K, M, width), of which each sample sees its own trial's."""

    def __init__(self, table: torch.nn.Embedding, first_id: int, vectors: torch.nn.Parameter, rows: SampleRows) -> None:
        super().__init__(table, first_id, vectors)
        self.rows = rows

    def look_up(self, which: torch.Tensor) -> torch.Tensor:
        return F.embedding(self.rows.index.unsqueeze(1) * self.vectors.shape[1] + which, self.vectors.flatten(0, 1))


@contextmanager
def packed_layers(base: Base, stack: Stack, trials: Sequence[Attached], rows: SampleRows) -> Iterator[None]:
    """Let the base predict with the stacked weights; afterwards it is as it was. `trials` made the stack and are
    detached.
    """
    strengths = [trial.strength if isinstance(trial, AttachedLora) else 0.0 for trial in trials]
    strength = torch.tensor(strengths, device=stack.values.device).view(-1, 1, 1)
    parts = {base.family.denoiser_name: base.denoiser, **base.named_encoders()}
    of_words = [trial.words for trial in trials if isinstance(trial, AttachedTextualInversion)]
    words: Mapping[str, NewWord] = of_words[0] if of_words else {}
    with ExitStack() as undo:
        for name in (name for name in stack.leaves if name.endswith(_DOWN)):
            part, layer = name.removesuffix(_DOWN).split("/", 1)
            hook = PackedLowRank(stack.leaves[name], stack.leaves[name.removesuffix(_DOWN) + _UP], strength, rows)
            undo.callback(parts[part].get_submodule(layer).register_forward_hook(hook).remove)
        for file, word in words.items():
            vectors = stack.leaves[f"vectors/{Path(file).stem}"]
            word.encoder.set_input_embeddings(PackedEmbedding(word.table, word.embedding.first_id, vectors, rows))
            undo.callback(word.encoder.set_input_embeddings, word.table)
        yield
