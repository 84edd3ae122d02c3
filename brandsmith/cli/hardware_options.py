"""`--device` and `--precision`, for every command that touches a model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import typer

from brandsmith.cli.option_groups import Command, offering

DeviceOption = Annotated[
    str | None, typer.Option("--device", help="auto (a CUDA card, an Apple GPU, else the CPU), cpu, cuda, cuda:1, mps.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option("--precision", help="auto (half precision on a card; docs/hardware.md), bf16, fp16 or fp32."),
]


def hardware_options(*, precision: bool = True) -> Callable[[Command], Command]:
    """Give a command the two options (without `precision`: the first); bases that it loads obey them."""
    options = {"device": DeviceOption} | ({"precision": PrecisionOption} if precision else {})

    def offer(command: Command) -> Command:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            from brandsmith.base.hardware import computing_on

            with computing_on(**{name: given.pop(name) for name in options}):
                command(**given)

        return offering(run, command, options)

    return offer
