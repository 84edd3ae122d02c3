"""Pictures get what they say of themselves: XMP, then over the whole file a signed C2PA manifest.

`sign_picture` for a file that is there, `save_signed` for one that is written, `signed` for bytes. Pixels stay as they
are. The signature is made offline by the reference SDK (`c2pa-python`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from brandsmith.core.errors import InvalidConfig, InvalidInput, unknown_name
from brandsmith.core.files import replacing
from brandsmith.core.notes import warn_once
from brandsmith.core.text import read_bytes
from brandsmith.provenance.certificate import Identity, Signing, find_identity
from brandsmith.provenance.claim import Claim, Edit, Rights, Source
from brandsmith.provenance.containers import BadContainer
from brandsmith.provenance.documents import MIME, SIGNED_KINDS, kind_of, with_store, with_xmp
from brandsmith.provenance.manifest import RECIPE, ingredients, manifest
from brandsmith.provenance.salts import resalted
from brandsmith.provenance.watermark import embed, payload_of
from brandsmith.provenance.xmp import packet

if TYPE_CHECKING:
    from c2pa import Context

LARGEST_BYTES = 300_000_000
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""By suffix: what `save_signed` writes."""
WATERMARKED = Edit("c2pa.watermarked.unbound", "invisible watermark in the brightness")
QUALITY = 95
"""Of JPEG and WebP."""
UNSIGNED = (
    "pictures are written unsigned, with XMP alone. In the EU pictures made by such systems must be marked so that "
    "machines can tell, since 2026-08-02 (AI Act, Article 50): see docs/provenance.md"
)
OURS = ("c2pa.actions", "c2pa.actions.v2", "c2pa.ingredient", "c2pa.ingredient.v3", RECIPE)
SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}, "created_assertion_labels": list(OURS)},
    "verify": {"remote_manifest_fetch": False},
}
"""Of the SDK: no small copies inside, never the network, and what we say is ours ("created", not "gathered")."""


def sign_picture(path: Path, claim: Claim, signing: Signing | None = None) -> None:
    """Give the file at `path` (a picture, SVG, PDF or PSD) XMP and signature, in place: a reader sees the old file or
    the new.

    signing: None is the default of `Signing`. Raises InvalidInput for what is no such picture or a certificate that
    cannot be used.
    """
    content = signed(read_bytes(path, LARGEST_BYTES), claim, signing, named=f"'{path}'")
    with replacing(path) as partial:
        partial.write_bytes(content)


def save_signed(
    path: Path,
    picture: np.ndarray | Image.Image,
    claim: Claim,
    signing: Signing | None = None,
    *,
    text: Mapping[str, str] | None = None,
    quality: int = QUALITY,
) -> None:
    """Write `picture` in the format of the name's suffix (.png, .jpg, .webp), signed, whole or not at all.

    text: for a PNG's text chunks, as `core.pictures.save_png`. quality: of JPEG and WebP; 100 is lossless for WebP.
    A watermark that `signing` asks for names the claim's recipe. Raises InvalidConfig for another suffix, else as
    `sign_picture`.
    """
    if signing and signing.watermark:
        picture, claim = _watermarked(picture, claim)
    content = encoded(picture, path.suffix, text or {}, quality)
    with replacing(path) as partial:
        partial.write_bytes(signed(content, claim, signing, named=f"'{path}'"))


def save_signed_bytes(path: Path, content: bytes, claim: Claim, signing: Signing | None = None) -> None:
    """Write a file that was made elsewhere (SVG, PDF, PSD), signed, whole or not at all. Raises as `sign_picture`."""
    made = signed(content, claim, signing, named=f"'{path}'")
    with replacing(path) as partial:
        partial.write_bytes(made)


def _watermarked(picture: np.ndarray | Image.Image, claim: Claim) -> tuple[Image.Image, Claim]:
    """With its colour profile and transparency; and a claim that says so."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    marked = Image.fromarray(embed(np.asarray(image.convert("RGB")), payload_of(claim.recipe)))
    if image.has_transparency_data:
        marked.putalpha(image.convert("RGBA").getchannel("A"))
    marked.info.update(image.info)
    return marked, replace(claim, edits=(*claim.edits, WATERMARKED))


def encoded(picture: np.ndarray | Image.Image, suffix: str, text: Mapping[str, str], quality: int) -> bytes:
    """The picture as a file of the suffix's format; a colour profile of its own stays. Raises InvalidConfig."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    kind = FORMATS.get(suffix.lower())
    if kind is None:
        raise unknown_name("format of pictures", suffix, FORMATS)
    out, profile = BytesIO(), image.info.get("icc_profile")
    if kind == "PNG":
        info = PngInfo()
        for keyword, value in text.items():
            info.add_text(keyword, value)
        image.save(out, "PNG", pnginfo=info, icc_profile=profile)
    elif kind == "JPEG":
        image.convert("RGB").save(out, "JPEG", quality=quality, subsampling=0, icc_profile=profile)
    else:
        image.save(out, "WEBP", quality=quality, lossless=quality == 100, icc_profile=profile or b"")
    return out.getvalue()


def signed(content: bytes, claim: Claim, signing: Signing | None = None, *, named: str = "the picture") -> bytes:
    """The bytes of a PNG, JPEG, WebP, SVG or PDF with XMP and signature; a PSD gets XMP alone, for C2PA has no place in
    it. Raises as `sign_picture`; `named` is for messages.
    """
    signing = signing or Signing()
    try:
        marked = with_xmp(content, packet(claim))
    except BadContainer as error:
        hint = f"give a whole {SIGNED_KINDS} file; with --no-sign nothing is added"
        raise InvalidInput(f"{named} cannot be signed: {error}", hint=hint) from None
    may_sign = signing.sign and kind_of(marked) in MIME
    return _with_manifest(marked, claim, find_identity(signing), named) if may_sign else marked


def check_signing(signing: Signing) -> None:
    """Raise InvalidConfig or InvalidInput where pictures could not be signed so: before any work."""
    if not signing.sign:
        if signing.certificate or signing.key:
            raise InvalidConfig("--cert and --key would change nothing: --no-sign is given", hint="leave them out")
        warn_once(UNSIGNED)
        return
    _try(find_identity(signing))


@cache
def _try(identity: Identity) -> None:
    """Sign a picture of one pixel: the SDK knows what it refuses."""
    _with_manifest(encoded(np.zeros((1, 1, 3), np.uint8), ".png", {}, QUALITY), Claim(Source.TRAINED), identity, "it")


def _with_manifest(content: bytes, claim: Claim, identity: Identity, named: str) -> bytes:
    from c2pa import Builder, C2paError, Signer

    from brandsmith.provenance.keys import algorithm_of, signs_alike

    out, mime, parts, pen = BytesIO(), MIME[kind_of(content) or "PNG"], ingredients(claim), _Pen(identity)
    try:
        with (
            Signer.from_callback(pen.sign, algorithm_of(identity.key), identity.chain) as signer,
            Builder.from_json(manifest(claim, content, parts), context=_context()) as builder,
        ):
            for own in parts:
                if own.mime:
                    builder.add_ingredient(own.record, own.mime, BytesIO(own.content))
            store = builder.sign(signer, mime, BytesIO(content), out)
    except C2paError as error:
        reason = str(error).splitlines()[0][:160]
        hint = "see docs/provenance.md for what a certificate must have; --no-sign leaves the signature out"
        raise InvalidInput(f"{named} cannot be signed ({reason})", hint=hint) from None
    made = out.getvalue()
    return _repeatable(made, store, pen, sha256(content).digest()) if signs_alike(identity.key) else made


def _repeatable(made: bytes, store: bytes, pen: _Pen, seed: bytes) -> bytes:
    """The signed file with the same bytes every time; as the SDK made it, should another SDK lay it out otherwise."""
    try:
        fixed = with_store(made, store, resalted(store, pen.content, pen.signature, pen.sign, seed))
    except (BadContainer, ValueError):
        return made
    return fixed if validation_state(fixed) in VALID else made


VALID = ("Valid", "Trusted")
"""States of the SDK: whole and signed; and by somebody on the list of those to trust."""


def validation_state(content: bytes) -> str | None:
    """What the SDK says of a file's own manifest: Valid, Trusted or Invalid; None without a manifest."""
    from c2pa import Reader

    reader = Reader.try_create(MIME[kind_of(content) or "PNG"], BytesIO(content), context=_context())
    return None if reader is None else reader.get_validation_state()


class _Pen:
    """Signs for the SDK, and keeps what it signed last."""

    def __init__(self, identity: Identity) -> None:
        from brandsmith.provenance.keys import signer_of

        self._sign = signer_of(identity.key)
        self.content = self.signature = b""

    def sign(self, content: bytes) -> bytes:
        self.content, self.signature = content, self._sign(content)
        return self.signature


@cache
def _context() -> Context:
    from c2pa import Context

    return Context.from_dict(SETTINGS)


def with_rights(claim: Claim, rights: Rights) -> Claim:
    """The same claim with the rights of a brand kit."""
    return replace(claim, rights=rights)
