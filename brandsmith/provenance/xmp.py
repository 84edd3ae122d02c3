"""XMP: what a picture says of itself for every program that reads photo metadata, as RDF in one XML packet.

Properties (IPTC Photo Metadata Standard, XMP specification part 2): `Iptc4xmpExt:DigitalSourceType`, which the law's
code of practice and platforms look for; `Iptc4xmpExt:AISystemUsed` and its version; `dc:creator`, `photoshop:Credit`,
`dc:rights`, `xmp:CreatorTool`; and `brandsmith:Recipe` (JSON). Equal claims make equal bytes.

Packets from outside are read without a DTD: a document type, and with it every entity, is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from brandsmith.provenance.claim import SOFTWARE, Claim

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "brandsmith": "urn:brandsmith:provenance:1",
}
RECIPE, SOURCE = "brandsmith:Recipe", "Iptc4xmpExt:DigitalSourceType"
LARGEST_RECIPE = 60_000
"""Bytes; a longer one (a batch of hundreds) stands in the C2PA manifest alone, for a JPEG takes 64 kB of XMP."""
DEEPEST = 40
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may hold."""


def packet(claim: Claim) -> bytes:
    """The packet for a claim, UTF-8."""
    rights, version = claim.rights, claim.software.removeprefix(f"{SOFTWARE} ")
    simple = {SOURCE: claim.source.uri, "xmp:CreatorTool": claim.software}
    simple |= {"Iptc4xmpExt:AISystemUsed": _system(claim), "Iptc4xmpExt:AISystemVersionUsed": version}
    simple |= {"photoshop:Credit": rights.credit, RECIPE: _short_recipe(claim)}
    attributes = "".join(f"\n   {name}={quoteattr(_legal(value))}" for name, value in simple.items() if value)
    lists = _list("dc:creator", "Seq", "", rights.creator)
    lists += _list("dc:rights", "Alt", ' xml:lang="x-default"', rights.notice)
    names = "".join(f'\n   xmlns:{short}="{uri}"' for short, uri in NAMESPACES.items() if short not in ("x", "rdf"))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="{NAMESPACES["x"]}">\n <rdf:RDF xmlns:rdf="{NAMESPACES["rdf"]}">\n'
        f'  <rdf:Description rdf:about=""{names}{attributes}>\n{lists}'
        '  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def _system(claim: Claim) -> str:
    bases = ", ".join(dict.fromkeys(model.title for model in claim.models))
    return f"{SOFTWARE} (base {bases})" if bases else SOFTWARE


def _short_recipe(claim: Claim) -> str:
    """In ASCII, so that no character of a prompt is one that XML forbids."""
    text = json.dumps(json.loads(claim.recipe)) if claim.recipe else ""
    return text if len(text) <= LARGEST_RECIPE else ""


def _list(name: str, kind: str, attribute: str, value: str) -> str:
    if not value:
        return ""
    item = f"<rdf:li{attribute}>{escape(_legal(value))}</rdf:li>"
    return f"   <{name}><rdf:{kind}>{item}</rdf:{kind}></{name}>\n"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("?", text)


# ----------------------------------------------------------------------------- read


class BadXmp(ValueError):
    """What is wrong with a packet, for a sentence about it."""


def properties(content: bytes) -> dict[str, list[str]]:
    """Property (`dc:creator`, or the whole URI of an unknown namespace) → its values, of a packet. Structures inside
    properties are read flat. Raises BadXmp, for a document type above all.
    """
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", " ")  # whatever encoding it names: another could hide a document type
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.texts.append
    try:
        parser.Parse(content.strip(b"\0 \r\n\t"), True)
    except expat.ExpatError as error:
        raise BadXmp(f"its XML is damaged: {expat.ErrorString(error.code)} in line {error.lineno}") from None
    return reader.found


def _refuse_document_type(*_: object) -> None:
    raise BadXmp("it declares a document type, and with it entities; XMP has none")


@dataclass
class _Reader:
    """Collects properties while a packet is parsed: attributes of rdf:Description and elements in it."""

    found: dict[str, list[str]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    """Of the elements that are open."""
    texts: list[str] = field(default_factory=list)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.names.append(_short(name))
        if len(self.names) > DEEPEST:
            raise BadXmp(f"it is nested deeper than {DEEPEST}")
        self.texts.clear()
        if self.names[-1] == "rdf:Description":
            for attribute, value in attributes.items():
                if not _short(attribute).startswith("rdf:"):
                    self._add(_short(attribute), value)

    def end(self, name: str) -> None:
        text = "".join(self.texts).strip()
        self.texts.clear()
        own = next((name for name in reversed(self.names) if not name.startswith(("rdf:", "x:"))), None)
        if text and own:
            self._add(own, text)
        self.names.pop()

    def _add(self, name: str, value: str) -> None:
        self.found.setdefault(name, []).append(value)


_SHORT = {uri: short for short, uri in NAMESPACES.items()}


def _short(name: str) -> str:
    """`uri local` of expat as prefix:local."""
    uri, _, local = name.rpartition(" ")
    return f"{_SHORT.get(uri, uri)}:{local}" if uri else local
