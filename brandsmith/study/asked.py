"""What a prompt asks for, as noun phrases: the prompt language of `guidance` handed to judges, which must not know it."""

from __future__ import annotations

from collections.abc import Callable

from brandsmith.guidance.prompt_syntax import parse_prompt
from brandsmith.guidance.subjects import automatic_subjects
from brandsmith.judges.obeyed import Phrase


def parser_for(token: str) -> Callable[[str], list[Phrase]]:
    """A function from prompts to phrases. The mark (`token`) by itself is no phrase, described (`a blue token`) it is; NOT asks for nothing."""
    own = frozenset({token})

    def phrases_of(prompt: str) -> list[Phrase]:
        texts = [part.text for part in parse_prompt(prompt) if not part.negated]
        found = [(text, subject) for text in texts for subject in automatic_subjects(text, own)]
        return [
            Phrase(text[slice(*subject.noun)], tuple(text[slice(*span)] for span in subject.attributes))
            for text, subject in found
            if subject.attributes or text[slice(*subject.noun)] not in own
        ]

    return phrases_of
