"""What a file says of itself, read and verified: XMP, the C2PA manifest, and the recipe in either.

Nothing from outside is believed before it is checked: sizes are limited, XML has no document type, the SDK never asks
the network, and a manifest counts as whole only when its hashes and its signature hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brandsmith.core.errors import InvalidInput
from brandsmith.core.json_files import parse_json
from brandsmith.core.pictures import load_rgb
from brandsmith.core.text import read_bytes
from brandsmith.provenance.certificate import local_file
from brandsmith.provenance.container_kinds import is_film
from brandsmith.provenance.containers import BadContainer, format_of, png_text
from brandsmith.provenance.documents import MIME, kind_of, xmp_packets
from brandsmith.provenance.manifest import RECIPE as RECIPE_LABEL
from brandsmith.provenance.signature import LARGEST_BYTES, SETTINGS
from brandsmith.provenance.watermark import Mark, payload_of, read
from brandsmith.provenance.xmp import NAMESPACES, RECIPE, BadXmp, properties

if TYPE_CHECKING:
    from c2pa import Context, Reader

KEYWORD = "brandsmith"
"""Of a PNG's text: the recipe."""
MANIFEST_LABEL = b"urn:c2pa:"
LARGEST_MANIFEST = 1 << 26
"""Characters of a manifest as JSON."""
_CHANGED = {
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.dataHash.malformed": "the hash of the file is damaged",
    "assertion.boxesHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "what the manifest says was changed after it was signed",
    "claimSignature.mismatch": "the signature is not that of this manifest",
    "assertion.missing": "a part of the manifest is missing",
}
"""Codes of the C2PA specification that mean a change, each in words."""
_SIGNER = {
    "signingCredential.untrusted": "nobody on the list of those to trust vouches for the certificate",
    "signingCredential.expired": "the certificate has expired",
    "signingCredential.revoked": "the certificate was revoked",
    "signingCredential.invalid": "the certificate is not one that C2PA allows",
    "claimSignature.outsideValidity": "it was signed outside the validity of the certificate",
}


class State(StrEnum):
    """Of a manifest."""

    TRUSTED = "trusted"
    """Whole, and the certificate leads to one of those that are trusted."""
    UNTRUSTED = "untrusted"
    """Whole: nothing was changed since; who signed is not vouched for."""
    TAMPERED = "tampered"
    """Something was changed after signing."""
    ABSENT = "absent"


@dataclass(frozen=True)
class Manifest:
    """A C2PA manifest as it was found. Lists hold one line of text each."""

    state: State
    reasons: tuple[str, ...] = ()
    """Why it is not trusted, or what was changed."""
    signer: str = ""
    """Organisation and name in the certificate."""
    local: bool = False
    """Signed by the certificate that Brandsmith made for this user, on this computer."""
    software: str = ""
    source: str = ""
    """Digital source type, its last part."""
    actions: tuple[str, ...] = ()
    ingredients: tuple[str, ...] = ()
    recipe: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Found:
    """Everything that a file says. `xmp`: property → values; empty without XMP."""

    manifest: Manifest = Manifest(State.ABSENT)
    xmp: Mapping[str, Sequence[str]] = field(default_factory=dict)
    recipe: Mapping[str, Any] | None = None
    watermark: Mark | None = None

    @property
    def watermark_agrees(self) -> bool:
        """Whether the watermark is that of the recipe."""
        named = payload_of(json.dumps(self.recipe)) if self.recipe is not None else None
        return self.watermark is not None and self.watermark.payload == named

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"c2pa": asdict(self.manifest), "xmp": {**self.xmp}, "recipe": self.recipe}
        if self.watermark is None:
            return told | {"watermark": None}
        mark = {"payload": f"{self.watermark.payload:06x}", "agrees_with_recipe": self.watermark_agrees}
        return told | {"watermark": mark | {"sync": round(self.watermark.sync, 1)}}


def read_found(path: Path, trust: Path | None = None) -> Found:
    """What the picture, film, SVG, PDF or PSD at `path` says. trust: PEM file of certificates to trust.

    Raises InvalidInput for what is no such picture, and for XMP or a manifest that is damaged.
    """
    content = _content(path)
    try:
        xmp = {} if not (own := xmp_packets(content)) else properties(own[0])
    except (BadContainer, BadXmp) as error:
        raise InvalidInput(f"'{path}' says nothing that can be read ({error})", hint=_DAMAGED) from None
    manifest = _manifest(content, path, _anchors(trust))
    is_still = format_of(content) is not None and not is_film(content)  # nothing is ever laid into a film
    return Found(manifest, xmp, recipe_of(content), _watermark(path) if is_still else None)


def _watermark(path: Path) -> Mark | None:
    """None, too, where the pixels cannot be decoded: what is wrong with them the manifest says."""
    try:
        return read(load_rgb(path))
    except InvalidInput:
        return None


def is_signed(path: Path) -> bool:
    """Whether a picture carries a C2PA manifest, whole or not; loads no library. Raises InvalidInput."""
    return MANIFEST_LABEL in _content(path)


_DAMAGED = "its metadata is damaged or hostile; ask for the file as it was first written"


def _content(path: Path) -> bytes:
    content = read_bytes(path, LARGEST_BYTES)
    if kind_of(content) is None:
        raise InvalidInput(
            f"'{path}' is neither PNG nor JPEG nor WebP, and no GIF, MP4, SVG, PDF or PSD",
            hint="give a file of one of these formats",
        )
    return content


def _anchors(trust: Path | None) -> str:
    if trust is None:
        return ""
    from cryptography.x509 import load_pem_x509_certificates

    pem = read_bytes(trust, 1 << 24)
    try:
        load_pem_x509_certificates(pem)
    except ValueError:
        raise InvalidInput(f"'{trust}' holds no certificates", hint="give a PEM file with --trust") from None
    return pem.decode("ascii", "replace")


# ----------------------------------------------------------------------------- the recipe


def recipe_of(content: bytes) -> dict[str, Any] | None:
    """The recipe of a PNG's text, of XMP or of the manifest, whichever comes first; None without one, and where what
    should hold it cannot be read.
    """
    for find in (_recipe_in_text, _recipe_in_xmp, _recipe_in_manifest):
        try:
            text = find(content)
            recipe = parse_json(text) if text else None
        except ValueError:  # BadContainer and BadXmp are of this kind
            continue
        if isinstance(recipe, dict):
            return recipe
    return None


def recipe_text(path: Path) -> str | None:
    """The recipe of a picture file as JSON text, from XMP or the manifest of a JPEG, WebP or PNG; None without one."""
    content = read_bytes(path, LARGEST_BYTES)
    for find in (_recipe_in_xmp, _recipe_in_manifest):
        try:
            if text := find(content):
                return text
        except (BadContainer, BadXmp):  # of somebody else's metadata, damaged: it holds no recipe of ours
            continue
    return None


def _recipe_in_text(content: bytes) -> str | None:
    return png_text(content, KEYWORD) if format_of(content) == "PNG" else None


def _recipe_in_xmp(content: bytes) -> str | None:
    ours = NAMESPACES["brandsmith"].encode()
    texts = [text for own in xmp_packets(content) if ours in own for text in properties(own).get(RECIPE, ())]
    return texts[0] if texts else None


def _recipe_in_manifest(content: bytes) -> str | None:
    if RECIPE_LABEL.encode() not in content:
        return None
    reader = _reader(content, "")
    own = None if reader is None else reader.get_active_manifest()
    data = None if own is None else _assertion(own, RECIPE_LABEL)
    return None if data is None else json.dumps(data)


# ----------------------------------------------------------------------------- the manifest


def _reader(content: bytes, anchors: str) -> Reader | None:
    """Raises BadContainer for a manifest that the SDK cannot read."""
    from c2pa import C2paError, Reader

    if kind_of(content) == "PSD":
        return None
    try:
        return Reader.try_create(MIME[kind_of(content) or "PNG"], BytesIO(content), context=_context(anchors))
    except C2paError as error:
        raise BadContainer(f"its C2PA manifest is damaged: {str(error).splitlines()[0][:160]}") from None


@cache
def _context(anchors: str) -> Context:
    from c2pa import Context

    return Context.from_dict(SETTINGS | ({"trust": {"user_anchors": anchors}} if anchors else {}))


def _manifest(content: bytes, path: Path, anchors: str) -> Manifest:
    try:
        reader = _reader(content, anchors)
        if reader is None:
            return Manifest(State.ABSENT)
        if len(reader.json()) > LARGEST_MANIFEST:
            raise BadContainer("its C2PA manifest is too large to show")
        own, codes, trusted = reader.get_active_manifest() or {}, _failures(reader), _is_trusted(reader)
    except BadContainer as error:
        raise InvalidInput(f"'{path}' says nothing that can be read ({error})", hint=_DAMAGED) from None
    changed = [_CHANGED.get(code, code) for code in codes if code not in _SIGNER and not code.startswith("timeStamp.")]
    if changed:
        return _described(own, State.TAMPERED, changed)
    state = State.TRUSTED if trusted else State.UNTRUSTED
    return _described(own, state, [_SIGNER.get(code, code) for code in codes])


def _failures(reader: Reader) -> list[str]:
    """Codes of what fails in the file's own manifest; those of its ingredients were there before it."""
    results = reader.get_validation_results() or {}
    return [str(one.get("code")) for one in results.get("activeManifest", {}).get("failure", ())]


def _is_trusted(reader: Reader) -> bool:
    return reader.get_validation_state() == "Trusted"


def _described(own: Mapping[str, Any], state: State, reasons: Sequence[str]) -> Manifest:
    about, actions = own.get("signature_info") or {}, _actions(own)
    signer = ", ".join(str(about[key]) for key in ("issuer", "common_name") if about.get(key))
    sources = [str(action["digitalSourceType"]) for action in actions if action.get("digitalSourceType")]
    software = [f"{one.get('name')} {one.get('version', '')}".strip() for one in own.get("claim_generator_info") or ()]
    return Manifest(
        state,
        tuple(dict.fromkeys(reasons)),
        signer,
        str(about.get("cert_serial_number")) == _local_serial(),
        ", ".join(software) or str(own.get("claim_generator", "")),
        sources[-1].rpartition("/")[2] if sources else "",
        tuple(_line(action.get("action"), action.get("description")) for action in actions),
        tuple(_line(i.get("title"), i.get("relationship"), i.get("description")) for i in own.get("ingredients") or ()),
        _assertion(own, RECIPE_LABEL),
    )


def _line(first: Any, *more: Any) -> str:
    return ": ".join(str(part) for part in (first or "unnamed", *more) if part)


def _actions(own: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = _assertion(own, "c2pa.actions.v2") or _assertion(own, "c2pa.actions") or {}
    actions = data.get("actions")
    return [action for action in actions if isinstance(action, dict)] if isinstance(actions, list) else []


def _assertion(own: Mapping[str, Any], label: str) -> dict[str, Any] | None:
    """The data of the assertion with a label; None where it is not there or no object."""
    found = [one.get("data") for one in own.get("assertions") or () if one.get("label") == label]
    return found[0] if found and isinstance(found[0], dict) else None


def _local_serial() -> str:
    """Of the certificate made for this user; empty without one."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        text = local_file().read_bytes()
        own = load_pem_x509_certificates(text[text.index(b"-----BEGIN CERTIFICATE-----") :])
    except (OSError, ValueError):
        return ""
    return str(own[0].serial_number)
