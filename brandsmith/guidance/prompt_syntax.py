"""The language of prompts: AND, NOT, weights, quotes and braces.

    a {blue cat} AND a {yellow bowl} :1.3 AND NOT a dog

- `AND` and `NOT` are upper-case words; anything inside double quotes is literal (`"rock AND roll"`), and quotes
  around the bare operator word vanish (`"AND"` is the word AND).
- `:1.3` at the end of a part is its weight; `:-0.5` is NOT with weight 0.5. `at 10:30` is no weight.
- `{...}` marks a subject for the refiner; `\\{` and `\\}` are literal braces.

The unquoted form of A1111's `a AND b :0.5` reads the same here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from brandsmith.base.prompt_tokens import Span
from brandsmith.core.errors import InvalidInput

_OPERATOR = re.compile(r"(?<!\S)(AND\s+NOT|AND|NOT)(?!\S)")
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”')
_BARE_OPERATOR = re.compile(r'["“](AND|NOT|AND\s+NOT)["”]')
_WEIGHT = re.compile(r"(?:\s+|(?<=[^\s\d]))(?<!:):\s*([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)\s*$")
_EXAMPLE = "for example: a blue cat AND a yellow bowl :1.3 AND NOT a dog"


@dataclass(frozen=True)
class Part:
    """One text of a prompt. `weight` is what the user wrote (None: nothing), its sign already in `negated`."""

    text: str
    weight: float | None = None
    negated: bool = False
    marked: tuple[Span, ...] = ()


def change_texts(prompt: str, change: Callable[[str], str]) -> str:
    """The prompt with every part's text, its braces in it, as `change` makes it; operators and weights stay."""
    changed, position = [], 0
    for match in _operators(prompt):
        changed += [_changed(prompt[position : match.start()], change), match.group()]
        position = match.end()
    return "".join([*changed, _changed(prompt[position:], change)])


def _changed(raw: str, change: Callable[[str], str]) -> str:
    weight = _WEIGHT.search(raw)
    text = (raw[: weight.start()] if weight else raw).strip()
    if not text:
        return raw
    start = raw.index(text)
    return f"{raw[:start]}{change(text)}{raw[start + len(text) :]}"


def _operators(prompt: str) -> list[re.Match[str]]:
    quoted = [match.span() for match in _QUOTED.finditer(prompt)]
    return [match for match in _OPERATOR.finditer(prompt) if not any(a <= match.start() < b for a, b in quoted)]


def has_operators(prompt: str) -> bool:
    """Whether it has an AND or a NOT outside of quotes."""
    return bool(_operators(prompt))


def parse_prompt(prompt: str) -> list[Part]:
    """The parts of a prompt, in order. Raises InvalidInput for an empty part, a bad weight or unbalanced braces."""
    operators = _operators(prompt)
    if not operators:
        return [_part(prompt, "AND", alone=True)]
    starts_with_text = bool(prompt[: operators[0].start()].strip())
    if not starts_with_text and operators[0].group() != "NOT":
        raise InvalidInput(f"the prompt '{prompt}' begins with {operators[0].group()}", hint=_EXAMPLE)
    parts = [_part(prompt[: operators[0].start()], "AND")] if starts_with_text else []
    ends = [*(match.start() for match in operators[1:]), len(prompt)]
    return parts + [_part(prompt[match.end() : end], match.group()) for match, end in zip(operators, ends, strict=True)]


def _part(raw: str, operator: str, *, alone: bool = False) -> Part:
    negated = operator.endswith("NOT")
    found = _WEIGHT.search(raw)
    text = (raw[: found.start()] if found else raw).strip()
    if not text and not alone:
        raise InvalidInput(f"nothing follows or precedes {operator} in the prompt", hint=_EXAMPLE)
    weight = float(found.group(1)) if found else None
    if weight is not None and not math.isfinite(weight):
        raise InvalidInput(f"the weight in '{raw.strip()}' is not a finite number", hint=_EXAMPLE)
    if weight is not None and weight < 0:
        negated, weight = not negated, -weight
    plain, marked = strip_markup(_BARE_OPERATOR.sub(r"\1", text))
    return Part(plain, weight, negated, marked)


def strip_markup(text: str) -> tuple[str, tuple[Span, ...]]:
    """The text without subject braces, and the places they marked. Raises InvalidInput when they do not balance,
    and for the `{token}` of briefs and standard prompts, which stands for the concept's own word."""
    plain: list[str] = []
    marked: list[Span] = []
    opened: int | None = None
    position = 0
    for match in re.finditer(r"\\[{}]|[{}]", text):
        plain.append(text[position : match.start()])
        position = match.end()
        length = sum(map(len, plain))
        if match.group() in (r"\{", r"\}"):
            plain.append(match.group()[1])
        elif match.group() == "{" and opened is None:
            opened = length
        elif match.group() == "}" and opened is not None:
            marked.append((opened, length))
            opened = None
        else:
            raise _unbalanced(text)
    if opened is not None:
        raise _unbalanced(text)
    whole = "".join([*plain, text[position:]])
    if any(not whole[start:end].strip() for start, end in marked):
        raise InvalidInput(f"'{text}' marks nothing: {{}}", hint="write the subject inside the braces: a {blue cat}")
    if any(whole[start:end] == "token" for start, end in marked):
        raise InvalidInput(
            f"'{text}' says {{token}}, which nothing fills in here",
            hint="write the concept's token itself, such as: a my_acme_mark cap",
        )
    return whole, tuple(marked)


def _unbalanced(text: str) -> InvalidInput:
    return InvalidInput(
        f"the braces in '{text}' do not balance", hint="mark subjects as {blue cat}; write \\{ for a literal brace"
    )
