"""An adapter that acts only when its subject is decided.

Layout and colours are made at high noise, lettering at low noise: such an adapter is trained on the timesteps below a
share of the schedule, and the base as it is draws the part of the run before that, with the class word in the token's
place. Balaji et al. 2022, "eDiff-I", divide a run among denoisers in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from brandsmith.base.prompt_tokens import Span, moved_span


@dataclass(frozen=True)
class Takeover:
    """Where in a run the adapter that is on a base takes over, and how the base is had as it is until then."""

    below: float
    """Share of the schedule: the adapter acts at timesteps under it."""
    words: tuple[tuple[str, str], ...]
    """Tokens and their class words."""
    switch: Callable[[bool], None]
    """Turn the adapter on (True) or off (False); what is so already stays."""

    def with_class_word(self, text: str, spans: list[Span]) -> tuple[str, list[Span]]:
        """`text` with each class word where its token stands as a whole word, and `spans` moved with their words."""
        for token, class_word in self.words:
            pattern = re.compile(rf"(?<![\w-]){re.escape(token)}(?![\w-])")
            edits = [(found.end(), len(class_word) - len(token)) for found in pattern.finditer(text)]
            spans = [moved_span(span, edits) for span in spans]
            text = pattern.sub(class_word.replace("\\", r"\\"), text)
        return text, spans
