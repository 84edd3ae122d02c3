"""The command line. Each command reads its options, calls one function and prints; here errors become exit codes.

One file a command group; nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # transformers' "Loading weights" obeys it too

import typer

from brandsmith.cli import (
    adapters,
    base,
    benchmark,
    concept,
    create,
    demo,
    doctor,
    draw,
    export,
    judge,
    provenance,
    rehearse,
    report,
    studio,
    study,
    train,
)
from brandsmith.cli.arguments import check_arguments
from brandsmith.cli.old_spellings import modern
from brandsmith.cli.places import check_places
from brandsmith.core.end_request import INTERRUPTED, TERMINATED, ended_by_request
from brandsmith.core.errors import BrandsmithError, NotEnoughMemory, from_os_error, printable
from brandsmith.core.optional import leave_for_later

app = typer.Typer(
    name="brandsmith",
    help="Teach an image generator your brand, and prove that it learned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for group in (demo, doctor, train, draw, report, export, adapters, rehearse, studio):
    app.add_typer(group.commands)
for group in (concept, create, judge, study, base, benchmark, provenance):
    app.add_typer(group.commands, name=group.__name__.rpartition(".")[2])

app.add_typer(adapters.lora, name="lora")
check_places(app)
leave_for_later()

_STOPPED = {INTERRUPTED: "interrupted", TERMINATED: "ended on request"}


def main() -> None:
    """Entry point: exit code 0 when the work is done, 2 for wrong input, 1 for a failure, 130 when interrupted, 143 on
    SIGTERM.
    """
    _print_what_the_output_cannot_write()
    try:
        with ended_by_request():
            check_arguments(sys.argv[1:])
            code = app(modern(sys.argv[1:]), standalone_mode=False)
            sys.stdout.flush()  # here a disk shows that it is full
    except BrandsmithError as error:
        _complain(error)
        code = error.exit_code
    except typer.Exit as stop:
        code = stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as stop:
        code = stop.code
    except BrokenPipeError:
        _forget_output()
        code = 1
    except OSError as error:
        code = _system_refusal(error)
    except Exception as error:
        code = _out_of_memory(error) or _usage_error(error)
    if code in _STOPPED:
        print(f"{_STOPPED[code]}: run the same command again to go on", file=sys.stderr)
    sys.exit(code or 0)


def _print_what_the_output_cannot_write() -> None:
    """A name that the output's encoding lacks is printed in its code points, as on stderr, and ends no command."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _forget_output() -> None:
    """Python flushes once more at its end: into nothing, where the other end is gone or full."""
    with suppress(OSError):  # a stream without a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _system_refusal(error: OSError) -> int:
    """A file or folder that cannot be read or written is one sentence; any other OSError is a bug and shows itself."""
    if error.filename is None:  # of a stream, not of a file
        _forget_output()
    explained = from_os_error(error)
    if explained is None:
        raise error
    _complain(explained)
    return explained.exit_code


def _out_of_memory(error: Exception) -> int:
    """Too little memory, of the card or of the machine, is one sentence; 0: it is something else."""
    from brandsmith.core.memory import is_out_of_memory

    if not is_out_of_memory(error):
        return 0
    said = (str(error).splitlines() or [""])[0][:160]
    hint = "give a smaller --batch-size or --size where the command has them, another --device, or end other programs"
    refused = NotEnoughMemory(f"out of memory{f' ({said})' if said else ''}", hint=hint)
    _complain(refused)
    return refused.exit_code


def _usage_error(error: Exception) -> int:
    """Wrong options (click's own errors) are one line and exit code 2; anything else is a bug and shows itself."""
    if not hasattr(error, "format_message"):
        raise error
    print(printable(f"error: {error.format_message()}"), file=sys.stderr)
    print("  see: brandsmith --help", file=sys.stderr)
    return 2


def _complain(error: BrandsmithError) -> None:
    print(printable(f"error: {error}"), file=sys.stderr)
    if error.hint:
        print(printable(f"  {error.hint}"), file=sys.stderr)


if __name__ == "__main__":
    main()
