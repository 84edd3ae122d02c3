"""Equal pictures, equal bytes: the SDK puts random salts into a manifest; here they are made from the content instead.

A salt changes the hash of its assertion, that hash changes the claim, and the claim is what is signed. So all three are
written anew, at the same length: nothing in the file moves. Layout: JUMBF (ISO 19566-5), boxes of length, type and
content; a superbox `jumb` starts with its description `jumd`, which may hold a salt `c2sh` (C2PA technical
specification, "Hashing JUMBF boxes": a box's hash is that of its content, without its own length and type).

What salts are for stays: a redacted assertion is not guessed from its hash alone, for the seed names the signed file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256

_SALT = b"\0\0\0\x18c2sh"
SALT_BYTES = 16
_HEAD = 8
Swap = tuple[bytes, bytes]


def resalted(store: bytes, to_be_signed: bytes, signature: bytes, sign: Callable[[bytes], bytes], seed: bytes) -> bytes:
    """A manifest store with salts from `seed` in its last manifest, signed anew; of the same length.

    to_be_signed, signature: what the SDK gave to the signer, and got. Raises ValueError for a store of another layout.
    """
    own = bytearray(store)
    spans = list(_assertions(store))
    hashes = [sha256(store[start:end]).digest() for start, end in spans]
    for number, (start, end) in enumerate(spans):
        at = store.find(_SALT, start, end)
        if at >= 0:
            at += len(_SALT)
            own[at : at + SALT_BYTES] = sha256(seed + bytes([number % 256])).digest()[:SALT_BYTES]
    for old, new in _settled(own, spans, hashes):
        to_be_signed = to_be_signed.replace(old, new)
    return bytes(own).replace(signature, sign(to_be_signed))


def _settled(own: bytearray, spans: list[tuple[int, int]], hashes: list[bytes]) -> Iterator[Swap]:
    """Put the new hashes in place of the old until none changes (actions hold hashes of ingredients); yield each."""
    changed = True
    while changed:
        changed = False
        for number, (start, end) in enumerate(spans):
            old, new = hashes[number], sha256(own[start:end]).digest()
            if old != new:
                own[:] = own.replace(old, new)
                hashes[number], changed = new, True
                yield old, new


def _assertions(store: bytes) -> Iterator[tuple[int, int]]:
    """Where the content of each assertion of the last manifest is: the claim is that one's."""
    (whole,) = _boxes(store, 0, len(store))
    *_, manifest = _boxes(store, *whole)
    for start, end in _boxes(store, *manifest):
        if _label(store, start) == b"c2pa.assertions":
            yield from _boxes(store, start, end)


def _boxes(store: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the content of every superbox directly in store[start:end]."""
    while start < end:
        length, kind = int.from_bytes(store[start : start + 4], "big"), store[start + 4 : start + _HEAD]
        if length < _HEAD or start + length > end:
            raise ValueError("a box of another layout")
        if kind == b"jumb":
            yield start + _HEAD, start + length
        start += length


def _label(store: bytes, start: int) -> bytes:
    """Of the superbox whose content starts here: behind the description's head, its UUID and its switches."""
    at = start + _HEAD + 16 + 1
    return store[at : store.index(b"\0", at)]
