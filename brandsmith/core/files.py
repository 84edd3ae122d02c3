"""Writing that survives interruption: a reader sees the old file or the whole new one, never a part."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from brandsmith.core.errors import BrandsmithError

if TYPE_CHECKING:  # a report reads files and needs no torch
    import torch

LONGEST_WAIT_SEC = 10.0 if os.name == "nt" else 0.0
"""How long to wait for another program that reads a file; only Windows refuses to replace an open one."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{i}" for device in ("com", "lpt") for i in range(1, 10))}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # random, not the process id: machines that share a folder can have the same
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield partial
        with partial.open("rb+") as written:  # Windows flushes only what is open for writing
            os.fsync(written.fileno())
        _replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _replace(partial: Path, path: Path) -> None:
    """`os.replace`, tried again for LONGEST_WAIT_SEC while another program has `path` open."""
    deadline = time.monotonic() + LONGEST_WAIT_SEC
    while True:
        try:
            return os.replace(partial, path)
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with line ends as they are in `text`, on every system."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_with(path: Path, write: Callable[[Path], Any]) -> None:
    """Let a library write `path` through a temporary name (`write` gets that name)."""
    with replacing(path) as partial:
        write(partial)


def write_safetensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    from safetensors.torch import save_file

    ready = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as partial:
        save_file(ready, partial, metadata=dict(metadata or {}))


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row. A row is one write of one line, so a crash loses at most that row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n") as log:
        log.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; a last line torn by a crash is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def legal_name(name: str) -> str:
    """`name` as every file system takes it: legal names stay; in others illegal parts become `-` and a digest is added.

    Illegal on Windows: any of <>:"/\\|?*, control characters, a dot or space at the end, devices (`con`, `nul.txt`).
    Names that differ in letter case alone stay different here and are one file on Windows and macOS.
    """
    plain = _FORBIDDEN.sub("-", name).rstrip(". ")
    if plain.partition(".")[0].rstrip().lower() in _RESERVED or not plain:
        plain = f"-{plain}"
    return name if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@contextmanager
def only_one(folder: Path, refusal: BrandsmithError | None) -> Iterator[None]:
    """Hold `folder`'s lock inside the `with`; raise `refusal` when another process has it (None: wait for it).

    The system holds the lock, so it ends with its process, however that ends. A file system that has no such locks
    raises OSError: a lock that is only a file would outlive a killed process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire(timeout=0 if refusal else -1)
    except Timeout:
        assert refusal is not None  # without a timeout there is no Timeout
        raise refusal from None
    try:
        yield
    finally:
        lock.release()
