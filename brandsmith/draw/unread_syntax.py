"""What a prompt seems to say in a syntax that nobody reads here, said before anything is drawn: AND and NOT where the
combiner takes them for words, and the weights and commands of other programs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from brandsmith.core.notes import warn_once
from brandsmith.core.text import shortened
from brandsmith.guidance.prompt_syntax import has_operators
from brandsmith.guidance.settings import DrawSettings

_OF_OTHERS = {
    "a weight": re.compile(r"\([^()]*[^():\d\s]\s*:\s*[+-]?(?:\d?\.\d+|\d)\s*\)"),
    "an exchange of words": re.compile(r"\[[^\[\]]*:[^\[\]]*\d\s*\]"),
    "an adapter": re.compile(r"<(?:lora|lyco|hypernet):[^<>]*>"),
    "an embedding": re.compile(r"\bembedding:\S+"),
    "a break": re.compile(r"(?<!\S)BREAK(?!\S)"),
}
"""As AUTOMATIC1111 and ComfyUI write them."""


def warn_of_unread_syntax(prompts: Sequence[str], settings: DrawSettings) -> None:
    """A line on stderr for each prompt and kind."""
    for prompt in prompts:
        if settings.combiner == "cfg" and has_operators(prompt):
            warn_once(
                f"prompt {shortened(prompt)}: AND and NOT are words like others for combiner cfg; --guidance"
                " faithful-and reads them as operators"
            )
        for what, pattern in _OF_OTHERS.items():
            if found := pattern.search(prompt):
                warn_once(
                    f"prompt {shortened(prompt)}: {shortened(found[0])} is {what} in other programs and plain words"
                    " here; see docs/guidance.md"
                )
