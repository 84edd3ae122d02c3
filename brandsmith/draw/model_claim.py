"""What a picture says of the model that drew it (`provenance/claim.py`), with the licence of the base."""

from __future__ import annotations

from brandsmith.base.licence import licence_of
from brandsmith.provenance.claim import Model


def drawn_by(base: str, base_fingerprint: str = "", adapter_hash: str | None = None) -> Model:
    """base: as the recipe names it."""
    return Model(base, base_fingerprint, adapter_hash, licence_of(base).name)
