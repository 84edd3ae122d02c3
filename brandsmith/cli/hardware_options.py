"""`--device` and `--precision`, for every command that touches a model."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

DeviceOption = Annotated[
    str | None, typer.Option("--device", help="auto (a CUDA card, an Apple GPU, else the CPU), cpu, cuda, cuda:1, mps.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option("--precision", help="auto (half precision on a card; docs/hardware.md), bf16, fp16 or fp32."),
]


def hardware_options(*, precision: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the two options (without `precision`: the first); bases that it loads obey them."""
    offered = {"device": DeviceOption} | ({"precision": PrecisionOption} if precision else {})

    def offer(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            from brandsmith.base.hardware import computing_on

            chosen = {name: given.pop(name) for name in offered}
            with computing_on(**chosen):
                command(**given)

        own = inspect.signature(command, eval_str=True).parameters.values()
        kind = inspect.Parameter.KEYWORD_ONLY
        added = [inspect.Parameter(name, kind, default=None, annotation=option) for name, option in offered.items()]
        parameters = [*(parameter.replace(kind=kind) for parameter in own), *added]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
        return run

    return offer
