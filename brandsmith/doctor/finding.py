"""What the doctor says: one fault or one piece of advice, each with its file and its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["fault", "advice"]


@dataclass(frozen=True)
class Finding:
    """`fault`: training refuses it or learns something false; `advice`: it is read, but not as its maker may think."""

    kind: str
    """Of a fixed list, as `near duplicate`: for counting and for `--fix`."""
    severity: Severity
    file: str
    """From the concept's folder; the folder itself is `.`."""
    what: str
    remedy: str

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{self.severity:7} {self.file}: {self.what}. {self.remedy[:1].upper()}{self.remedy[1:]}"

    def as_json(self) -> dict[str, str]:
        return {
            "kind": self.kind,
            "severity": self.severity,
            "file": self.file,
            "what": self.what,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Diagnosis:
    """Everything found at once."""

    concept: str
    num_pictures: int
    findings: tuple[Finding, ...]

    @property
    def num_faults(self) -> int:
        return sum(own.severity == "fault" for own in self.findings)

    @property
    def lines(self) -> list[str]:
        """Findings, faults first, and a last line that counts."""
        ordered = sorted(self.findings, key=lambda own: (own.severity != "fault", own.file, own.kind))
        advice = len(self.findings) - self.num_faults
        return [
            *(own.line for own in ordered),
            f"{_counted(self.num_pictures, 'picture')}: {_counted(self.num_faults, 'fault')}, {advice} advice",
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "concept": self.concept,
            "pictures": self.num_pictures,
            "faults": self.num_faults,
            "findings": [own.as_json() for own in self.findings],
        }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def kinds_of(findings: Sequence[Finding]) -> frozenset[str]:
    """The kinds among findings."""
    return frozenset(own.kind for own in findings)
