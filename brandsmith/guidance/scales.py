"""Guidance scales where nobody asked for one. No imports: the command line reads them before torch is loaded."""

DEFAULT_GUIDANCE_SCALE = 7.5
"""Stock Stable Diffusion's."""
POCKET = 2.5
"""pocket predicts x0 and is overdriven by what suits Stable Diffusion. Chosen on the tuning prompts, where plain
sampling succeeds 0.90 of 40 (4.0: 0.825, 1.5: 0.85; docs/log.md).
"""
TAUGHT_POCKET = 1.5
"""The more so after it was taught twenty pictures."""


def guidance_of(base_name: str, *, taught: bool) -> float:
    """The scale for a base by name, as it is or with an adapter."""
    if base_name == "pocket":
        return TAUGHT_POCKET if taught else POCKET
    return DEFAULT_GUIDANCE_SCALE
