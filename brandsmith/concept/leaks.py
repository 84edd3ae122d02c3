"""What a caption must not say beside the token: the mark's own lettering, which is then not learnt as the token's."""

from __future__ import annotations

import re


def given_away(caption: str, token: str, expected_text: str) -> str:
    """The lettering as it stands in a caption, letters spaced or not; empty where it is not there."""
    if not expected_text.strip():
        return ""
    pattern = r"\s*".join(map(re.escape, expected_text.replace(" ", "")))
    found = re.search(rf"(?<!\w){pattern}(?!\w)", caption.replace(token, " "), re.IGNORECASE)
    return found.group() if found else ""
