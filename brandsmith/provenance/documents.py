"""XMP and manifests in what is no photo: SVG, PDF and PSD; and one entry for these and pictures together.

SVG: XMP in a `metadata` element right inside the root, as the XMP specification part 3 (2.6.5) has it. PDF: the
catalogue's metadata stream gets a new version at the end of the file (ISO 32000-1, 7.5.6 and 14.3.2); what it said
before stays beside it. PSD: image resource 1060. C2PA manifests are put in by the reference SDK, which writes SVG and
PDF and does not know PSD.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator

from brandsmith.provenance import containers
from brandsmith.provenance.containers import LARGEST_PACKET, BadContainer, format_of

MIME = containers.MIME | {"SVG": "image/svg+xml", "PDF": "application/pdf"}
"""Of what can be signed."""
KINDS = (*MIME, "PSD")
"""Of what can say something of itself."""
_NAMES = {"JPEG": "JPEG", "WEBP": "WebP"}
SIGNED_KINDS = ", ".join(_NAMES.get(kind, kind) for kind in MIME)
_SVG_ROOT = re.compile(rb"<svg(?:\s[^>]*)?>")
_SVG_XMP = re.compile(rb"\s*<metadata>\s*<\?xpacket begin.*?<\?xpacket end[^>]*\?>\s*</metadata>", re.DOTALL)
_XMP = re.compile(rb"<\?xpacket begin=.*?<\?xpacket end=[^>]*\?>", re.DOTALL)
_DESCRIPTION = re.compile(rb"<rdf:Description.*</rdf:Description>", re.DOTALL)
_OURS = (b"xmp:CreatorTool", b"dc:creator", b"dc:rights")
"""Properties that another program may have written and we say anew."""
_METADATA = re.compile(rb"/Metadata\s+(\d+)\s+(\d+)\s+R")
_TRAILER = re.compile(rb"trailer\s*<<(.*?)>>\s*startxref\s+(\d+)\s+%%EOF\s*$", re.DOTALL)
_PSD, _PSD_XMP = b"8BPS", 1060


def kind_of(content: bytes) -> str | None:
    """One of KINDS by the first bytes; None for anything else."""
    if found := format_of(content):
        return found
    if content.startswith(b"%PDF-"):
        return "PDF"
    if content.startswith(_PSD):
        return "PSD"
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    return "SVG" if head.startswith((b"<svg", b"<?xml")) and _SVG_ROOT.search(head) else None


def with_xmp(content: bytes, packet: bytes) -> bytes:
    """`content` with `packet` as its XMP; a PDF keeps what it said besides. Raises BadContainer."""
    into = {"SVG": _into_svg, "PDF": _into_pdf, "PSD": _into_psd}.get(kind_of(content) or "")
    return into(content, packet) if into else containers.with_packet(content, packet)


def xmp_packets(content: bytes) -> list[bytes]:
    """Every XMP packet, the one that counts first. Raises BadContainer."""
    kind = kind_of(content)
    if kind == "PSD":
        return [data for number, data in _psd_resources(content)[0] if number == _PSD_XMP]
    if kind not in ("SVG", "PDF"):
        return containers.packets(content)
    found = [match.group() for match in _XMP.finditer(content)][::-1]  # of a PDF the last version counts
    if any(len(packet) > LARGEST_PACKET for packet in found):
        raise BadContainer(f"XMP of more than {LARGEST_PACKET} bytes")
    return found


def with_store(content: bytes, old: bytes, new: bytes) -> bytes:
    """`content` with the C2PA manifest store `new` in place of `old`, which is as long. Raises BadContainer."""
    if kind_of(content) != "SVG":
        return containers.with_store(content, old, new)
    was, now = base64.b64encode(old), base64.b64encode(new)
    if content.count(was) != 1 or len(old) != len(new):
        raise BadContainer("its C2PA manifest is not where it should be")
    return content.replace(was, now)


# ----------------------------------------------------------------------------- SVG


def _into_svg(content: bytes, packet: bytes) -> bytes:
    content = _SVG_XMP.sub(b"", content)
    root = _SVG_ROOT.search(content)
    if root is None or root.group().endswith(b"/>"):
        raise BadContainer("the SVG has nothing in it")
    return b"".join([content[: root.end()], b"\n<metadata>\n", packet, b"\n</metadata>", content[root.end() :]])


# ----------------------------------------------------------------------------- PDF


def _into_pdf(content: bytes, packet: bytes) -> bytes:
    """An update at the end of the file: one object in a new version, and where it begins."""
    trailer, where = _TRAILER.search(content), _METADATA.search(content)
    if trailer is None or where is None or b"/Prev" in trailer[1]:
        raise BadContainer("the PDF is not one that Brandsmith set")
    number, generation = where[1], where[2]
    before = xmp_packets(content)
    said = _merged(before[0], packet) if before else packet
    start = len(content) + 1
    made = b"\n%b %b obj\n<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n%b\nendstream\nendobj\n" % (
        number,
        generation,
        len(said),
        said,
    )
    table = b"xref\n%b 1\n%010d %05d n\r\n" % (number, start, int(generation))
    at = len(content) + len(made)
    end = b"trailer\n<<%b/Prev %b>>\nstartxref\n%d\n%%%%EOF\n" % (trailer[1], trailer[2], at)
    return content + made + table + end


def _merged(before: bytes, packet: bytes) -> bytes:
    """What both say: our properties beside those that were there."""
    own = _DESCRIPTION.search(packet)
    if own is None or b"</rdf:RDF>" not in before:
        return packet
    for name in _OURS:
        before = re.sub(b"<" + name + rb"[\s>].*?</" + name + b">", b"", before, flags=re.DOTALL)
    return before.replace(b"</rdf:RDF>", own.group() + b"</rdf:RDF>", 1)


# ----------------------------------------------------------------------------- PSD


def _psd_resources(content: bytes) -> tuple[list[tuple[int, bytes]], int, int]:
    """(number, data) of every image resource, and where their section starts and ends, its length before it."""
    at = 26
    if len(content) < at + 4:
        raise BadContainer("the PSD is cut off")
    start = at + 4 + _long(content, at)
    end = start + 4 + _long(content, start)
    if end > len(content):
        raise BadContainer("the PSD is cut off")
    return list(_resources(content[start + 4 : end])), start, end


def _long(content: bytes, at: int) -> int:
    if at + 4 > len(content):
        raise BadContainer("the PSD is cut off")
    return int.from_bytes(content[at : at + 4], "big")


def _resources(section: bytes) -> Iterator[tuple[int, bytes]]:
    """Names of resources, which nobody gives, are passed over."""
    at = 0
    while at + 12 <= len(section):
        if section[at : at + 4] != b"8BIM":
            raise BadContainer("the PSD's resources are damaged")
        number = int.from_bytes(section[at + 4 : at + 6], "big")
        at += 6 + _even(1 + section[at + 6])
        length = _long(section, at)
        if at + 4 + length > len(section):
            raise BadContainer("the PSD is cut off")
        yield number, section[at + 4 : at + 4 + length]
        at += 4 + _even(length)


def _even(length: int) -> int:
    return length + length % 2


def _into_psd(content: bytes, packet: bytes) -> bytes:
    """As the last resource; every other one stays as it is."""
    found, start, end = _psd_resources(content)
    kept = [(number, data) for number, data in found if number != _PSD_XMP]
    section = b"".join(_resource(number, data) for number, data in (*kept, (_PSD_XMP, packet)))
    return content[:start] + struct.pack(">I", len(section)) + section + content[end:]


def _resource(number: int, data: bytes) -> bytes:
    return b"8BIM" + struct.pack(">H", number) + b"\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)
