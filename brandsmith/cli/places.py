"""Every file and folder named on the command line, looked at in one place before a command reads it.

A place is a parameter of type `Path`, or a text marked with PLACE that may name a file or folder. `~` is the home
folder also where the shell left it (`--out=~/x`). What no one means as a name is refused: `-`, white space at an end
of a name or a line end in it (unless it is there), a name too long for any file system.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import typer

from brandsmith.cli.option_groups import Command
from brandsmith.core.errors import InvalidInput
from brandsmith.core.text import is_there, shortened

PLACE = "place"
"""Metadata of an annotated text that may be a path."""
LONGEST_NAME = 255
"""Bytes in UTF-8 on Linux and macOS; UTF-16 units on Windows."""
Given = TypeVar("Given")


def check_places(app: typer.Typer) -> None:
    """Let every command of `app`, and of the groups in it, look at its places first."""
    for info in app.registered_commands:
        if info.callback is not None:
            info.callback = _looking(info.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            check_places(group.typer_instance)


def _looking(command: Command) -> Command:
    signature = inspect.signature(command, eval_str=True)
    places = {name: option for name, parameter in signature.parameters.items() if (option := _place_of(parameter))}

    @functools.wraps(command)
    def run(**given: Any) -> None:
        command(**{name: meant(places[name], value) if name in places else value for name, value in given.items()})

    run.__signature__ = signature  # type: ignore[attr-defined]  # what typer reads
    return run


def _place_of(parameter: inspect.Parameter) -> str:
    """How messages call a parameter that is a place; empty for any other."""
    annotation = parameter.annotation
    kind, *metadata = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
    if Path not in _types_in(kind) and PLACE not in metadata:
        return ""
    own = next((one for one in metadata if hasattr(one, "param_decls")), None)
    return written(parameter.name, own)


def written(name: str, option: Any) -> str:
    """How a user writes the option of a parameter, or names the argument."""
    spellings = (getattr(option, "default", None), *(getattr(option, "param_decls", None) or ()))  # typer's order
    own = [one for one in spellings if isinstance(one, str) and one.startswith("--")]
    if own:
        return own[0].partition("/")[0]
    return name.upper() if type(option).__name__ == "ArgumentInfo" else f"--{name.replace('_', '-')}"


def _types_in(kind: Any) -> Iterator[Any]:
    yield kind
    for own in get_args(kind):
        yield from _types_in(own)


def meant(option: str, given: Given) -> Given:
    """The place that a text or path means; what is neither stays. Raises InvalidInput naming `option`."""
    if isinstance(given, (list, tuple)):
        return type(given)([meant(option, one) for one in given])
    if not isinstance(given, (str, Path)):
        return given
    text = str(given)
    if text == "~" or text.startswith(("~/", f"~{os.sep}")):
        text = os.path.expanduser(text)
    _check_name(option, text)
    return type(given)(text)


def _check_name(option: str, text: str) -> None:
    if text == "-":
        raise InvalidInput(
            f"{option} is '-'", hint="give a file or folder: nothing is read from a pipe or written to one"
        )
    path = Path(text)
    for number, name in enumerate(path.parts, 1):
        if _length(name) > LONGEST_NAME:
            hint = f"allowed: {LONGEST_NAME} in each name of a path"
            raise InvalidInput(
                f"{option} is {shortened(text, 200)}: a name of {len(name)} characters is too long", hint=hint
            )
        odd = _odd_space(name)
        if odd and not is_there(Path(*path.parts[:number])):
            raise InvalidInput(f"{option} is {shortened(text)}: there is {odd} in a name", hint="leave it out")


def _length(name: str) -> int:
    return len(name.encode("utf-16-le")) // 2 if os.name == "nt" else len(os.fsencode(name))


def _odd_space(name: str) -> str:
    """What white space no name should have; empty when all is well."""
    if name.splitlines() != [name] or "\t" in name:
        return "a line end or a tab"
    return "white space at an end" if name != name.strip() else ""
