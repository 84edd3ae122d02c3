"""The noun phrases of a prompt: the prompt language of `guidance` handed to judges, which must not import it."""

from __future__ import annotations

import re
from collections.abc import Callable

from brandsmith.concept.concept import with_token
from brandsmith.guidance.prompt_syntax import parse_prompt
from brandsmith.guidance.subjects import Subject, automatic_subjects
from brandsmith.judges.obeyed import Phrase

NUMBERS = {
    word: number
    for number, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1)
}


def parser_for(token: str) -> Callable[[str], list[Phrase]]:
    """A function from prompts to phrases. The mark (`token`) by itself is no phrase, described (`a blue token`) it is;
    A NOT part gives none.
    """
    own = frozenset({token})

    def phrases_of(prompt: str) -> list[Phrase]:
        texts = [part.text for part in parse_prompt(with_token(prompt, token)) if not part.negated]
        found = [(text, subject) for text in texts for subject in automatic_subjects(text, own)]
        return [
            Phrase(
                text[slice(*subject.noun)],
                tuple(text[slice(*span)] for span in subject.attributes),
                _number_before(text, subject),
            )
            for text, subject in found
            if subject.attributes or text[slice(*subject.noun)] not in own
        ]

    return phrases_of


def _number_before(text: str, subject: Subject) -> int | None:
    """2 for `two blue cats`; None without a number."""
    start = min(first for first, _ in (subject.noun, *subject.attributes))
    before = re.search(r"(\w+)\s+$", text[:start])
    return NUMBERS.get(before.group(1).lower()) if before else None
