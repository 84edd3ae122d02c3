"""`brandsmith benchmark crash`: kill every command at seeded moments, run it again, compare every file.

    reference   the command, undisturbed; and once more from the start, which must give the same files
    kill k      the command from the start, killed; then the same command to its end

A third of the kills stand just before a file operation, a third a moment after one (inside a save), a third at any
moment. They are spread evenly over the command's work, at random places of equal parts of it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from brandsmith.benchmark.crash_commands import COMMANDS, CrashCommand, begin
from brandsmith.benchmark.crash_files import contents, different, holds_partial, leftovers
from brandsmith.benchmark.crash_process import Ended, Kill, operations, run_process
from brandsmith.core.errors import BrandsmithError
from brandsmith.core.files import append_jsonl
from brandsmith.core.json_files import read_jsonl
from brandsmith.core.progress import Log

SEED = 17
KINDS = ("operation", "save", "moment")
AGAIN = 0
"""The number of the row that is no kill: the reference done twice."""
SAVE_SEC = (1e-4, 3e-2)
"""How long after an operation a kill inside a save comes: as long as the smallest and the largest file takes."""
LONGEST_SEC = 600.0
MOST_TRIES = 6
"""A command may end before its kill comes; it is then tried earlier."""


@dataclass(frozen=True)
class CrashRow:
    """One kill of one command, and what the same command made of it."""

    command: str
    number: int
    """Of the kill, from 1; AGAIN is the command undisturbed, for the second time."""
    kind: str
    operation: str
    """The file operation, as its number, how many there are, and its audit event."""
    seconds: float
    """After that operation, or after the start."""
    killed: bool
    inside_save: bool
    """A temporary name was there after the kill."""
    identical: bool
    different: list[str]
    leftovers: list[str]
    problem: str
    """What the second try said when it did not end well."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Reference:
    """The undisturbed command."""

    files: Mapping[str, str]
    operations: Sequence[str]
    seconds: float


@dataclass
class CrashBenchmark:
    """One run. Finished rows are kept in `file` (JSONL) and their kills not done again when it runs a second time."""

    folder: Path
    """Empty: for what the commands read and write."""
    num_kills: int
    file: Path | None = None
    log: Log = lambda what: None
    rows: dict[tuple[str, int], CrashRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in read_jsonl(self.file) if self.file else []:
            self.rows[row["command"], row["number"]] = CrashRow(**row)

    @property
    def given(self) -> Path:
        return self.folder / "given"

    def out(self, command: CrashCommand) -> Path:
        """The same in every try: names of folders are in some files."""
        return self.folder / "tried" / command.name

    def run(self, commands: Sequence[CrashCommand]) -> CrashFigures:
        for command in commands:
            missing = [k for k in range(self.num_kills + 1) if (command.name, k) not in self.rows]
            if missing:
                self._run_command(command, missing)
        names = [command.name for command in commands]
        return figures_of([row for row in self.rows.values() if row.command in names])

    def _run_command(self, command: CrashCommand, numbers: Sequence[int]) -> None:
        for name in command.needs:
            self._prepare(COMMANDS[name])
        self.log(f"{command.name}: undisturbed")
        reference = self._reference(command)
        for number in numbers:
            self.log(f"{command.name}: kill {number} of {self.num_kills}")
            row = self._again(command, reference) if number == AGAIN else self._kill(command, reference, number)
            self.rows[command.name, number] = row
            if self.file:
                append_jsonl(self.file, row.as_json())

    def _prepare(self, command: CrashCommand) -> None:
        """Have a command's files at hand for those that read them."""
        if (self.given / command.name).is_dir():
            return
        for name in command.needs:
            self._prepare(COMMANDS[name])
        self.log(f"{command.name}, for what follows")
        self._reference(command)

    def _reference(self, command: CrashCommand) -> Reference:
        """Raises BrandsmithError when the command fails undisturbed."""
        out = self.out(command)
        ended = self._from_start(command, None)
        if ended.problem:
            raise BrandsmithError(f"{command.name} does not end well undisturbed: {ended.problem}")
        reference = Reference(contents(out), operations(out), ended.seconds)
        shutil.copytree(out, self.given / command.name, dirs_exist_ok=True)
        return reference

    def _from_start(self, command: CrashCommand, kill: Kill | None) -> Ended:
        begin(command, self.given, self.out(command))
        return run_process(command.name, self.given, self.out(command), kill, LONGEST_SEC)

    def _again(self, command: CrashCommand, reference: Reference) -> CrashRow:
        ended = self._from_start(command, None)
        return self._compared(command, reference, Trial(AGAIN, None, False, False), ended)

    def _kill(self, command: CrashCommand, reference: Reference, number: int) -> CrashRow:
        out, kill = self.out(command), planned(command.name, number, self.num_kills, reference)
        for _ in range(MOST_TRIES):
            killed = self._from_start(command, kill).killed
            if killed:
                break
            kill = earlier(kill)
        trial = Trial(number, kill, killed, holds_partial(out))
        return self._compared(command, reference, trial, run_process(command.name, self.given, out, None, LONGEST_SEC))

    def _compared(self, command: CrashCommand, reference: Reference, trial: Trial, ended: Ended) -> CrashRow:
        found = contents(self.out(command))
        changed, left = different(reference.files, found), leftovers(reference.files, found)
        return CrashRow(
            command=command.name,
            number=trial.number,
            kind=trial.kill.kind if trial.kill else "none",
            operation=_place(trial.kill, reference),
            seconds=round(trial.kill.seconds, 5) if trial.kill else 0.0,
            killed=trial.killed,
            inside_save=trial.inside_save,
            identical=not changed and not left and not ended.problem,
            different=changed,
            leftovers=left,
            problem=ended.problem,
        )


@dataclass(frozen=True)
class Trial:
    """One try before it is compared."""

    number: int
    kill: Kill | None
    killed: bool
    inside_save: bool


def _place(kill: Kill | None, reference: Reference) -> str:
    if kill is None or not kill.operation:
        return ""
    names = reference.operations
    return f"{kill.operation}/{len(names)} {names[kill.operation - 1]}"


def planned(command: str, number: int, num_kills: int, reference: Reference) -> Kill:
    """The kill of a number: kinds take turns, and each kind's kills are spread over the whole of the work."""
    rng = random.Random(f"{SEED} {command} {number}")
    kind = KINDS[(number - 1) % len(KINDS)]
    parts = -(-num_kills // len(KINDS))
    place = ((number - 1) // len(KINDS) + rng.random()) / parts
    if kind == "moment":
        return Kill("moment", seconds=max(1e-3, place * reference.seconds))
    operation = 1 + min(int(place * len(reference.operations)), len(reference.operations) - 1)
    low, high = SAVE_SEC
    after = low * (high / low) ** rng.random()
    return Kill("operation", operation) if kind == "operation" else Kill("save", operation, after)


def earlier(kill: Kill) -> Kill:
    """For a command that had ended before its kill."""
    if kill.kind == "moment":
        return Kill("moment", seconds=0.6 * kill.seconds)
    return Kill("operation", max(1, kill.operation - (kill.kind == "operation")))


# ----------------------------------------------------------------------------- figures


@dataclass(frozen=True)
class CommandFigures:
    """The kills of one command."""

    command: str
    n: int
    """Kills that hit, after each of which the command was run again to its end."""
    identical: int
    leftovers: int
    """Names that the undisturbed command does not leave, over all kills."""
    inside_saves: int
    """Kills that left a temporary name behind."""
    twice_the_same: bool
    """The command, done twice and never killed, wrote the same bytes."""


@dataclass(frozen=True)
class CrashFigures:
    identical_rate: float
    """Of the kills: the same files, byte for byte, as without one (but times: `crash_files.TIMED`)."""
    leftovers: int
    n: int
    inside_saves: int
    twice_the_same: bool
    commands: list[CommandFigures]
    faults: list[CrashRow]
    """Rows that are not identical, or left something."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> list[dict[str, Any]]:
        """A line per command, and one of all."""
        total = CommandFigures(
            "all",
            self.n,
            sum(own.identical for own in self.commands),
            self.leftovers,
            self.inside_saves,
            self.twice_the_same,
        )
        return [_line(own) for own in (*self.commands, total)]


def _line(own: CommandFigures) -> dict[str, Any]:
    return {
        "command": own.command,
        "kills": own.n,
        "identical": own.identical,
        "leftovers": own.leftovers,
        "inside a save": own.inside_saves,
        "twice the same": "yes" if own.twice_the_same else "no",
    }


def figures_of(rows: Sequence[CrashRow]) -> CrashFigures:
    names = dict.fromkeys(row.command for row in rows)
    commands = [_of_command(name, [row for row in rows if row.command == name]) for name in names]
    n = sum(own.n for own in commands)
    return CrashFigures(
        identical_rate=round(sum(own.identical for own in commands) / n, 4) if n else 0.0,
        leftovers=sum(own.leftovers for own in commands),
        n=n,
        inside_saves=sum(own.inside_saves for own in commands),
        twice_the_same=all(own.twice_the_same for own in commands),
        commands=commands,
        faults=[row for row in rows if not row.identical],
    )


def _of_command(name: str, rows: Sequence[CrashRow]) -> CommandFigures:
    kills = [row for row in rows if row.killed]
    again = [row for row in rows if row.number == AGAIN]
    return CommandFigures(
        name,
        len(kills),
        sum(row.identical for row in kills),
        sum(len(row.leftovers) for row in rows),
        sum(row.inside_save for row in kills),
        bool(again) and all(row.identical for row in again),
    )


def fault_line(row: CrashRow) -> str:
    """One line of what went wrong after one kill."""
    where = row.operation or f"after {row.seconds} s"
    parts = [f"different: {', '.join(row.different[:4])}"] if row.different else []
    parts += [f"left: {', '.join(row.leftovers[:4])}"] if row.leftovers else []
    parts += [row.problem] if row.problem else []
    return f"{row.command}, kill {row.number} ({row.kind} {where}): {'; '.join(parts)}"
