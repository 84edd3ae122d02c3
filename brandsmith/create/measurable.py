"""What the judge of prompts can look for, known before anything is drawn.

A word that its classifier was not trained on has no error measured: pictures of it stay "not measured", however many
are drawn. Such a product is refused early, with the words that are near. Not here: the judging (`judges/obeyed.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from brandsmith.core.errors import InvalidInput
from brandsmith.judges.judge import Judge
from brandsmith.judges.obeyed import Obeyed

MOST_NEAR = 5
ALIKE_FROM = 0.7
"""Similarity of spelling (`difflib`) from which a word is called near."""


def check_measurable(judges: Mapping[str, Judge], prompt: str, hint: str) -> None:
    """Raise InvalidInput for a prompt of which the judge of prompts can say nothing, with words that are near. A chain
    without that judge refuses nothing: its bases have no vocabulary.
    """
    judge = judges.get(Obeyed.name)
    if not isinstance(judge, Obeyed):
        return
    if reason := judge.why_not(prompt):
        unknown = judge.request(prompt).unmeasured
        raise InvalidInput(
            f"'{prompt}' cannot be measured: {reason}",
            hint=f"{_nearest(unknown, judge.classifier.vocabulary, judge.classifier.palette)}; {hint}",
        )


def unlooked(judges: Mapping[str, Judge], prompt: str) -> tuple[str, ...]:
    """What the prompt names and the judge of prompts does not look for."""
    judge = judges.get(Obeyed.name)
    return judge.request(prompt).unmeasured if isinstance(judge, Obeyed) else ()


def near_words(word: str, known: Sequence[str]) -> list[str]:
    """Known words that share a word with `word`, then those spelled alike."""
    own = set(word.casefold().split())
    sharing = [one for one in known if own & set(one.split())]
    alike = [near for part in sorted(own) for near in difflib.get_close_matches(part, known, MOST_NEAR, ALIKE_FROM)]
    return list(dict.fromkeys([*sharing, *alike]))[:MOST_NEAR]


def _nearest(phrases: Sequence[str], known: Sequence[str], colours: Sequence[str]) -> str:
    """Colours in a phrase are known: they are near to nothing else."""
    words = (" ".join(word for word in phrase.split() if word not in colours) for phrase in phrases)
    near = list(dict.fromkeys(own for word in words for own in near_words(word, known)))
    return f"it knows {', '.join(near)}" if near else f"it knows {', '.join(known)}"
