"""How much memory a training will take at most, before it starts: one step traced without weights or arithmetic.

torch's fake tensors have shapes, number formats and a device, and no memory. The method is put on an outline of the
base, one forward and backward pass runs on fake tensors, and what would be allocated is counted as it comes and goes.
What torch's kernels take inside themselves is not seen; nor is the card's own context of a few hundred MB.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from brandsmith.base.attention import chosen_layers, recording
from brandsmith.base.base import Base, Conditioning, encode_ids, encode_images, predict
from brandsmith.base.hardware import choose_format
from brandsmith.base.sources import outline_of
from brandsmith.base.weight_storage import products_in, round_products
from brandsmith.methods.class_latents import BATCH as CLASS_BATCH
from brandsmith.methods.compute import checkpointed, computing_in, training_attention
from brandsmith.methods.frozen_storage import saved_on_card
from brandsmith.methods.method import Words
from brandsmith.methods.optimizer_kinds import KINDS
from brandsmith.methods.registry import method_named
from brandsmith.methods.settings import TrainSettings
from brandsmith.methods.training_data import ENCODED_TOGETHER, image_size

_WORDS = Words("a_token_for_the_plan", "thing")


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes that a training holds on its device; `peak` is the most of all phases."""

    held: int
    """All through the steps: weights of what is used, what trains, the optimizer's memory."""
    step: int
    """On top of that in a forward and backward pass, gradients among it."""
    encoding: int
    """While pictures and captions are encoded and class pictures drawn, with all parts of the base."""
    trained_weights: int
    """How many numbers train."""
    saved: int
    """A checkpoint on disk."""
    state: int
    """What resuming needs, on disk."""

    @property
    def peak(self) -> int:
        return max(self.held + self.step, self.encoding)

    def as_json(self) -> dict[str, int]:
        return asdict(self) | {"peak": self.peak}


class AllocationCounter(TorchDispatchMode):
    """Counts the bytes of tensors that operations make, and of those that are alive together at most."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._alive: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor)
        return made

    def count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive:
            return

        def gone(_: object) -> None:
            self.now -= size
            self._alive.pop(key, None)

        self._alive[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)

    def ignore(self, tensors: Iterable[torch.Tensor]) -> None:
        """These are counted by others."""
        for tensor in tensors:
            self._alive[tensor.untyped_storage()._cdata] = weakref.ref(tensor.untyped_storage())

    @contextmanager
    def phase(self) -> Iterator[None]:
        """Start the peak again."""
        self.peak = self.now
        yield


def plan_memory(base: Base | str, config: TrainSettings, device: torch.device) -> MemoryPlan:
    """The plan of a training on a base (loaded, or a name) on a device. Raises as `outline_of` and `attach` do."""
    outline = outline_of(base)
    method = method_named(config.method)
    compute = choose_format(device, "train", config.precision)
    with torch.device("meta"):
        attached = method.attach(outline, config, _WORDS)
    names = {id(p): p for group in attached.groups for p in group.parameters.values()}
    stored = sum(t.numel() * t.element_size() for own in attached.tensors().values() for t in own.values())
    extra = [value for value in vars(attached).values() if isinstance(value, torch.nn.Module)]
    if compute != torch.float32:
        for module in [outline.denoiser, *outline.text_encoders]:
            round_products(module, compute)
    with FakeTensorMode(allow_non_fake_inputs=True):
        trained = made_fake([*outline.modules(), *extra], device, names)
        traced = _Trace(outline, config, compute, trained, trains_text=attached.trains_text)
        held, step, encoding = traced.held(), traced.step(), traced.encoding()
    return MemoryPlan(held, step, encoding, traced.trained, _saved(stored, config), traced.state())


def _saved(stored: int, config: TrainSettings) -> int:
    return stored if config.save_precision == "fp32" else stored // 2


def made_fake(
    modules: Iterable[torch.nn.Module], device: torch.device, trained: Mapping[int, torch.nn.Parameter]
) -> list[torch.nn.Parameter]:
    """Put fake tensors in the place of all that the modules hold; those that train."""
    made: dict[int, torch.Tensor] = {}
    for module in (own for whole in modules for own in whole.modules()):
        for place in (module._parameters, module._buffers):
            for name, tensor in place.items():
                if tensor is not None:
                    place[name] = made.setdefault(id(tensor), _fake(tensor, device))  # type: ignore[assignment]
    return [own for key, own in made.items() if key in trained and isinstance(own, torch.nn.Parameter)]


def _fake(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    empty = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
    return torch.nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, torch.nn.Parameter) else empty


def is_card(device: torch.device) -> bool:
    return device.type != "cpu"


def _bytes(module: torch.nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


class _Trace:
    """The phases of one training on a base of fake tensors."""

    def __init__(
        self,
        base: Base,
        config: TrainSettings,
        compute: torch.dtype,
        parameters: list[torch.nn.Parameter],
        *,
        trains_text: bool,
    ) -> None:
        self.base, self.config, self.compute, self.parameters = base, config, compute, parameters
        self.trains_text, self.size = trains_text, image_size(base, config)
        self.trained = sum(p.numel() for p in parameters)
        self.memory = int(KINDS[config.optimizer].bytes_per_weight * self.trained)
        self.average = 4 * self.trained if config.ema_decay else 0
        self.encodes = trains_text or config.shuffle_tags or config.tag_dropout > 0
        self.on_card = is_card(base.device)
        self.whole = method_named(config.method).trains_base_weights

    def state(self) -> int:
        return 4 * self.trained + self.memory + self.average

    def held(self) -> int:
        """On a CPU also what waits elsewhere on a card: the originals of rounded and of trained weights."""
        base = self.base
        used = [base.denoiser, *(base.text_encoders if self.encodes or not self.on_card else [])]
        outside = {id(p) for module in base.modules() for p in module.parameters()}
        weights = sum(map(_bytes, used)) + sum(4 * p.numel() for p in self.parameters if id(p) not in outside)
        weights += self.average
        memory = 0 if self.on_card and self.config.offload_optimizer else self.memory
        if self.on_card:
            return weights + memory - saved_on_card(base.denoiser, self.config)
        rounded = [t for m in base.modules() for t in products_in(m) if t.dtype != torch.float32]
        originals = sum(4 * t.numel() for t in rounded) + (4 * self.trained if self.whole else 0)
        copies = 4 * self.trained if self.config.offload_optimizer else 0
        return weights + memory + _bytes(base.vae) + originals + copies

    def encoding(self) -> int:
        """Pictures through the autoencoder, captions through the encoders, class pictures through the denoiser."""
        base, (height, width) = self.base, self.size
        counter, together = AllocationCounter(), min(ENCODED_TOGETHER, self.config.views)
        counter.ignore(p for module in base.modules() for p in module.parameters())
        with torch.no_grad(), counter:
            encode_images(base, torch.empty(together, 3, height, width, device=base.device))
            if self.config.prior_weight > 0:
                self._predict(2 * CLASS_BATCH)
        originals = 4 * self.trained if self.whole and not self.on_card else 0
        quantised = saved_on_card(base.denoiser, self.config.model_copy(update={"offload_blocks": False}))
        return sum(map(_bytes, base.modules())) - originals - (quantised if self.on_card else 0) + counter.peak

    def step(self) -> int:
        """A forward and backward pass; gradients that a fused step drops are dropped."""
        counter = AllocationCounter()
        counter.ignore(p for module in self.base.modules() for p in module.parameters())
        counter.ignore(self.parameters)
        rows = self.config.batch_size * (1 + (self.config.prior_weight > 0) + (self.config.preservation_weight > 0))
        with ExitStack() as stack:
            stack.enter_context(training_attention(self.base, self.compute))
            stack.enter_context(computing_in(self.base, self.compute))
            on = self.config.gradient_checkpointing
            stack.enter_context(checkpointed(self.base.denoiser) if on else nullcontext())
            if self.config.fused_backward:
                for parameter in self.parameters:
                    stack.callback(parameter.register_post_accumulate_grad_hook(_drop).remove)
            stack.enter_context(counter)
            read = chosen_layers(self.base) if self.config.attention_loss_weight else []
            recorder = stack.enter_context(recording(read, self.base.latent_shape_at(self.size)[1:]))
            loss = self._predict(rows).float().square().mean()
            for attention in recorder.maps:
                loss = loss + attention.mean()
            loss.backward()
            largest = max((4 * p.numel() for p in self.parameters), default=0)
        return max(counter.peak, counter.now + 2 * largest)

    def _predict(self, rows: int) -> torch.Tensor:
        base = self.base
        latents = torch.empty(rows, *base.latent_shape_at(self.size), device=base.device)
        latents = latents.contiguous(memory_format=torch.channels_last)
        timesteps = torch.zeros(rows, dtype=torch.long, device=base.device)
        return predict(base, latents, timesteps, self._conditioning(rows))

    def _conditioning(self, rows: int) -> Conditioning:
        lengths = [ids.shape[1] for ids in self.base.family.tokenize(self.base, [""])]
        ids = [torch.zeros(rows, length, dtype=torch.long, device=self.base.device) for length in lengths]
        with nullcontext() if self.trains_text else torch.no_grad():
            # as if every token counted: which do, depends on the text
            return replace(encode_ids(self.base, ids, self.size), mask=None)


def _drop(parameter: torch.Tensor) -> None:
    parameter.grad = None
