"""The one protocol of every judge, and the row that every score becomes.

A judge looks at pictures and gives each a verdict: a number, or None with the reason why it could not be
measured. None is never 0: a picture without readable text scores 0 with the OCR judge, a picture the OCR engine could
not be run on scores None. Everything that is ever reported is computed from rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import numpy as np
from pydantic import AfterValidator, ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import append_jsonl
from brandsmith.core.json_files import read_rows
from brandsmith.core.rows import Row, Shot

TOGETHER = 32
"""How many pictures a remembering judge looks at before it notes its verdicts: those of the detector's batches."""
LEAST_SIDE_PX, LARGEST_RATIO = 4, 50
"""Of pictures that are shown to judges: OCR and encoders fail on smaller and on thinner ones."""


@dataclass(frozen=True)
class Verdict:
    """One judge's score of one picture."""

    value: float | None
    reason: str = ""
    """Why `value` is None; empty otherwise."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What was seen (boxes, texts, probabilities), JSON-ready."""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError("a verdict has a value or a reason, never both and never neither")
        if self.value is not None and not np.isfinite(self.value):
            raise ValueError(
                f"a verdict's value is finite, not {self.value}; what cannot be measured is None with a reason"
            )


def not_measured(reason: str) -> Verdict:
    return Verdict(None, reason)


@with_config(ConfigDict(extra="ignore", strict=True, allow_inf_nan=False))
class _RememberedVerdict(TypedDict):
    """A line of `verdicts.jsonl`."""

    key: str
    """Judge, version and weights."""
    picture: str
    value: float | None
    reason: str
    details: dict[str, Any]


def _value_or_reason(row: _RememberedVerdict) -> _RememberedVerdict:
    if (row["value"] is None) != bool(row["reason"]):
        raise ValueError("a verdict has a value or a reason, never both and never neither")
    return row


_REMEMBERED = TypeAdapter(Annotated[_RememberedVerdict, AfterValidator(_value_or_reason)])
_FORGET = "delete the line: the picture is judged again"


class Named(Protocol):
    """What every row records of its judge."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def weights_hash(self) -> str:
        """Short SHA-256 of the weights; `none` for a judge without any."""
        ...


@runtime_checkable
class Judge(Named, Protocol):
    """Something that scores pictures.

    `score` returns one verdict per picture, in the order given, and changes none of them. Pictures are
    (height, width, 3) uint8, of any sizes. The same picture gets the same verdict whatever stands beside it.
    """

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]: ...


@runtime_checkable
class PromptJudge(Judge, Protocol):
    """A judge that needs the prompt. Without prompts (`score`) all its verdicts are "not measured"."""

    def score_prompted(self, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Verdict]:
        """One verdict per picture, `prompts[i]` being what `pictures[i]` was drawn from."""
        ...


def judge_id(judge: Named) -> str:
    return f"{judge.name}@{judge.version}"


def score_shots(judge: Judge, shots: Sequence[Shot], pictures: Sequence[np.ndarray]) -> list[Row]:
    """The rows of one judge over pictures, `shots[i]` telling where `pictures[i]` comes from. A picture too small for
    any judge is "not measured".
    """
    if len(shots) != len(pictures):
        raise ValueError(f"{len(shots)} shots for {len(pictures)} pictures")
    check_pictures(pictures)
    reasons = [_too_small(picture) for picture in pictures]
    places = [place for place, reason in enumerate(reasons) if not reason]
    seen, prompts = [pictures[i] for i in places], [shots[i].prompt for i in places]
    verdicts = judge.score_prompted(seen, prompts) if isinstance(judge, PromptJudge) else judge.score(seen)
    if len(verdicts) != len(seen):
        raise ValueError(f"judge {judge_id(judge)} gave {len(verdicts)} verdicts for {len(seen)} pictures")
    measured = dict(zip(places, verdicts, strict=True))
    return rows_of(judge, shots, [measured.get(i) or not_measured(reason) for i, reason in enumerate(reasons)])


def _too_small(picture: np.ndarray) -> str:
    """Why no judge can look at the picture; empty for one of an ordinary shape."""
    height, width = picture.shape[:2]
    if min(height, width) >= LEAST_SIDE_PX and max(height, width) <= LARGEST_RATIO * min(height, width):
        return ""
    return (
        f"the picture is {width} x {height} pixels; judges need {LEAST_SIDE_PX} a side, and no side more than "
        f"{LARGEST_RATIO} times the other"
    )


def rows_of(judge: Named, shots: Sequence[Shot], verdicts: Sequence[Verdict]) -> list[Row]:
    """The rows of verdicts, `verdicts[i]` being about the picture of `shots[i]`."""
    name, weights = judge_id(judge), judge.weights_hash
    return [
        Row(s.case, s.prompt, s.seed, s.run, s.step, name, weights, v.value, v.reason, dict(v.details))
        for s, v in zip(shots, verdicts, strict=True)
    ]


def check_pictures(pictures: Sequence[np.ndarray]) -> None:
    """Raises InvalidInput for the first thing that is not an RGB picture."""
    for i, picture in enumerate(pictures):
        if (
            not isinstance(picture, np.ndarray)
            or picture.dtype != np.uint8
            or picture.ndim != 3
            or picture.shape[2] != 3
            or picture.size == 0
        ):
            shape = f"{picture.shape} {picture.dtype}" if isinstance(picture, np.ndarray) else type(picture).__name__
            raise InvalidInput(
                f"picture {i} is {shape}", hint="judges take arrays of shape (height, width, 3) and dtype uint8"
            )


def picture_hash(picture: np.ndarray) -> str:
    digest = hashlib.sha256(str(picture.shape).encode())
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()[:24]


class CachedJudge:
    """A judge that remembers its verdicts by picture, version and weights, in memory and in one JSONL file.

    Verdicts of a judge that needs prompts are remembered by picture and prompt.
    """

    def __init__(self, judge: Judge, file: Path | None = None) -> None:
        self.judge, self.file = judge, file
        self.name, self.version, self.weights_hash = judge.name, judge.version, judge.weights_hash
        self._key = f"{judge_id(judge)}:{judge.weights_hash}"
        self._known: dict[str, Verdict] = {}
        for row in read_rows(file, _REMEMBERED, _FORGET) if file else []:
            if row["key"] == self._key:
                self._known[row["picture"]] = Verdict(row["value"], row["reason"], row["details"])

    def score(self, pictures: Sequence[np.ndarray]) -> list[Verdict]:
        check_pictures(pictures)
        if isinstance(self.judge, PromptJudge):
            return self.judge.score(pictures)  # "not measured" is not worth remembering
        return self._scored(
            [picture_hash(p) for p in pictures], lambda places: self.judge.score([pictures[i] for i in places])
        )

    def score_prompted(self, pictures: Sequence[np.ndarray], prompts: Sequence[str]) -> list[Verdict]:
        judge = self.judge
        if not isinstance(judge, PromptJudge):
            return self.score(pictures)
        check_pictures(pictures)
        names = [
            f"{picture_hash(p)}:{hashlib.sha256(prompt.encode()).hexdigest()[:12]}"
            for p, prompt in zip(pictures, prompts, strict=True)
        ]
        return self._scored(
            names, lambda places: judge.score_prompted([pictures[i] for i in places], [prompts[i] for i in places])
        )

    def _scored(self, names: Sequence[str], score: Callable[[list[int]], list[Verdict]]) -> list[Verdict]:
        """The verdict of each name; `score` gets the places of those not known yet, each once."""
        places = {name: place for place, name in enumerate(names) if name not in self._known}
        missing = list(places)
        for start in range(0, len(missing), TOGETHER):
            part = missing[start : start + TOGETHER]
            for name, verdict in zip(part, score([places[name] for name in part]), strict=True):
                self._remember(name, verdict)
        return [self._known[name] for name in names]

    def _remember(self, name: str, verdict: Verdict) -> None:
        verdict = Verdict(verdict.value, verdict.reason, json.loads(json.dumps(dict(verdict.details))))
        self._known[name] = verdict
        if self.file:
            append_jsonl(
                self.file,
                {
                    "key": self._key,
                    "picture": name,
                    "value": verdict.value,
                    "reason": verdict.reason,
                    "details": verdict.details,
                },
            )
