"""Where the look of our pages lies: colours, type, space, plots; the report and the studio have the same."""

from __future__ import annotations

from pathlib import Path

DESIGN = Path(__file__).resolve().parent.parent / "data" / "design"
TOKENS, PLOTS = DESIGN / "tokens.css", DESIGN / "plots.css"
