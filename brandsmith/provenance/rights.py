"""Creator and rights of a picture, from the brand kit of a concept."""

from __future__ import annotations

from brandsmith.concept.brand_kit import BrandKit, load_brand_kit
from brandsmith.provenance.claim import Rights


def kit_rights(kit: BrandKit) -> Rights:
    """The brand as creator and credit; the owner and the base's licence as the notice. The consent stays at home."""
    own = kit.settings.rights
    licence = f"; base model: {own.base_licence}" if own.base_licence else ""
    return Rights(creator=kit.name, credit=kit.name, notice=f"Rights: {own.owner}{licence}")


def load_rights(concept: str | None) -> Rights:
    """Of the kit of a concept's folder, or `demo`; None for none. Raises as `load_brand_kit`."""
    return Rights() if concept is None else kit_rights(load_brand_kit(concept))
