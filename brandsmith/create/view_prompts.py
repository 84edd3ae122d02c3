"""Named views of a thing and the sentences that ask a base for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from brandsmith.core.errors import InvalidConfig

VIEWS: dict[str, str] = {
    "front": "{a thing}",
    "man": "a male model wearing {a thing}",
    "woman": "a female model wearing {a thing}",
    "white": "{a thing} on a white background",
    "side": "{a thing}, seen from the side",
    "back": "{a thing}, seen from behind",
    "three-quarter": "{a thing}, seen at an angle",
    "above": "{a thing}, seen from above",
    "detail": "a close-up of {a thing}",
}
"""What a base does with one, `brandsmith create views` measures: pocket was never shown a side or a back."""


_LABELS = {"front": "", "man": "on a man", "woman": "on a woman", "white": "on white", "above": "from above"}
_LABELS |= {"side": "from the side", "back": "from behind", "three-quarter": "at an angle", "detail": "close-up"}


def view_label(view: str) -> str:
    """For a caption; the plain view needs none, and a sentence of one's own is its own label without the thing."""
    own = view.replace("{a thing}", "").replace("{thing}", "")
    return _LABELS.get(view, " ".join(own.replace(" ,", ",").strip(" ,").split()))


def is_view(word: str) -> bool:
    """A name of VIEWS, or a sentence of one's own with {thing} or {a thing} and no other braces."""
    rest = word.replace("{thing}", "").replace("{a thing}", "")
    return word in VIEWS or (rest != word and not {"{", "}"} & set(rest))


def filled(text: str, names: Mapping[str, str]) -> str:
    """`text` with {name} in place of names. Raises InvalidConfig for another name in braces."""
    unknown = [name for name in re.findall(r"\{([^{}]*)\}", text) if name not in names]
    if unknown:
        raise InvalidConfig(
            f"'{text}' has {{{unknown[0]}}}", hint=f"allowed: {', '.join(f'{{{name}}}' for name in names)}"
        )
    for name, word in names.items():
        text = text.replace(f"{{{name}}}", word)
    return text


def prompt_of(view: str, thing: str) -> str:
    """The prompt for a view: `thing` is a noun phrase without its article."""
    return VIEWS.get(view, view).replace("{a thing}", with_article(thing)).replace("{thing}", thing)


def with_article(phrase: str) -> str:
    """`a` or `an` by the first letter; plurals by their s take none (pants, shoes)."""
    last = phrase.split()[-1] if phrase.split() else ""
    if last.endswith("s") and not last.endswith("ss"):
        return phrase
    return f"an {phrase}" if phrase[:1] in tuple("aeiou") else f"a {phrase}"
