"""Options that travel together are one parameter of a command: it gets the record that they make."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

Command = Callable[..., None]
Options = Mapping[str, Any]
"""Annotations (`Annotated[type, typer.Option(…)]`) by parameter; each option's default is None."""


def options_as(name: str, options: Options, build: Callable[..., Any]) -> Callable[[Command], Command]:
    """Give a command `options` in place of its parameter `name`, which gets what `build` makes of them by keyword."""

    def offer(command: Command) -> Command:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            chosen = {option: given.pop(option) for option in options}
            command(**given, **{name: build(**chosen)})

        return offering(run, command, options, in_place_of=name)

    return offer


def offering(run: Command, command: Command, options: Options, *, in_place_of: str | None = None) -> Command:
    """`run` with the parameters of `command` and `options`: in place of one of its parameters, else at the end."""
    added = [inspect.Parameter(n, _KIND, default=None, annotation=option) for n, option in options.items()]
    parameters: list[inspect.Parameter] = []
    for own in inspect.signature(command, eval_str=True).parameters.values():
        parameters += added if own.name == in_place_of else [own.replace(kind=_KIND)]
    if in_place_of is None:
        parameters += added
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
    return run


_KIND = inspect.Parameter.KEYWORD_ONLY
