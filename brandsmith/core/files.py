"""Writing that survives interruption: a reader sees the old file or the whole new one, never a part."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from brandsmith.core.errors import BrandsmithError, from_os_error

if TYPE_CHECKING:  # a report reads files and needs no torch
    import torch

LONGEST_WAIT_SEC = 10.0 if os.name == "nt" else 0.0
"""How long to wait for another program that reads a file; only Windows refuses to replace an open one."""
_DAY_SEC = 86_400
_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
_SESSIONS: dict[int, str] = {}
"""By process number: a random word, because numbers come again (in containers after every start)."""
_SWEPT: set[tuple[int, Path]] = set()
"""(process number, folder) that was looked through for leftovers: once is enough."""
_PARTIAL = re.compile(
    r"\.(?P<name>.+)\.(?P<session>[0-9a-f]{8})(?P<machine>[0-9a-f]{8})(?P<number>[0-9a-f]{8})[0-9a-f]{4}\.part", re.S
)
_DTYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.int32": "I32",
    "torch.int16": "I16",
    "torch.int8": "I8",
    "torch.uint8": "U8",
    "torch.bool": "BOOL",
}
"""As safetensors names them."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{i}" for device in ("com", "lpt") for i in range(1, 10))}


@contextmanager
def replacing(path: Path, *, exclusive: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends without an error.

    exclusive: never replace a file that is there, not even one that another process wrote meanwhile. Raises
    BrandsmithError where the place takes no file: no space, read-only, a name too long.
    """
    partial = partial_beside(path)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        try:
            yield partial
            _flush(partial)
            (_rename_to_new if exclusive else _replace)(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield a new, empty folder beside `folder`, which takes its name when the block ends without an error.

    Nothing is overwritten: raises InvalidInput when `folder` is there by then, and as `replacing` does.
    """
    partial = partial_beside(folder)
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        partial.mkdir()
        try:
            yield partial
            if folder.exists() or folder.is_symlink():  # os.rename replaces an empty folder
                raise FileExistsError(errno.EEXIST, "exists", str(folder))
            os.rename(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system refuses about `path` into a BrandsmithError that names it."""
    try:
        yield
    except Exception as raised:
        error = raised if isinstance(raised, OSError) else _system_error_of(raised, path)
        if error is None:
            raise
        other = error.filename is not None and not any(map(is_leftover, Path(str(error.filename)).parts))
        refusal = from_os_error(error, error.filename if other else path)
        if refusal is None:
            raise
        raise refusal from raised


def partial_beside(path: Path) -> Path:
    """A temporary name that says whose it is: .<name>.<process><machine><number of the process><random>.part"""
    number = os.getpid()
    if number not in _SESSIONS:
        _SESSIONS[number] = secrets.token_hex(4)
    owner = f"{_SESSIONS[number]}{_MACHINE}{number:08x}{secrets.token_hex(2)}"
    return path.with_name(f".{path.name}.{owner}.part")


def is_leftover(name: str) -> bool:
    """Whether `partial_beside` makes such names."""
    return bool(_PARTIAL.fullmatch(name))


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left of `replacing` directly in `folder`; what a living one writes stays.

    Only names of `partial_beside` count, and no symbolic link is followed or removed.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError:  # a folder that can be written and not listed
        return
    for entry in entries:
        match = _PARTIAL.fullmatch(entry.name)
        if match and not entry.is_symlink() and _abandoned(match, entry):
            remove_entry(entry)


def _sweep(folder: Path) -> None:
    """`remove_leftovers` before a process writes into `folder` for the first time."""
    if (os.getpid(), folder) not in _SWEPT:
        _SWEPT.add((os.getpid(), folder))
        remove_leftovers(folder)


def remove_entry(entry: os.DirEntry[str]) -> None:
    """Remove a file, or a folder with what is in it; what cannot be removed stays."""
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(entry.path)


def _abandoned(match: re.Match[str], entry: os.DirEntry[str]) -> bool:
    """Whether the process that made a temporary name has ended; on other machines: whether it is a day old."""
    session, machine, number = match["session"], match["machine"], int(match["number"], 16)
    if machine == _MACHINE and number == os.getpid():
        return session != _SESSIONS.get(number)
    if machine == _MACHINE and os.name == "posix":
        return not _alive(number)
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _DAY_SEC
    except OSError:
        return False


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's process
        return True
    return True


def _rename_to_new(partial: Path, path: Path) -> None:
    """Give `partial` the name `path`, which must be free. Raises FileExistsError when it is not."""
    try:
        os.link(partial, path)  # the one call that refuses an existing name on every POSIX system
    except FileExistsError:
        raise
    except (OSError, NotImplementedError, AttributeError):  # a file system without hard links
        if path.exists():
            raise FileExistsError(errno.EEXIST, "exists", str(path)) from None
        _replace(partial, path)


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
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    metadata: Mapping[str, str] | None = None,
    *,
    floats: torch.dtype | None = None,
    exclusive: bool = False,
) -> None:
    """Write tensors one by one: memory holds a copy of one at a time. Equal tensors and metadata give equal bytes.

    floats: the format of floating-point tensors in the file; None keeps each one's. Layout (safetensors 0.5): 8 bytes
    with the header's length, little-endian, the header as JSON padded to 8 bytes, the tensors, large elements first.
    `exclusive` and what is raised: as with `replacing`.
    """
    import torch

    def dtype_of(tensor: torch.Tensor) -> torch.dtype:
        return floats if floats and tensor.is_floating_point() else tensor.dtype

    def order(name: str) -> tuple[int, str, str]:
        dtype = dtype_of(tensors[name])
        return -torch.empty(0, dtype=dtype).element_size(), _DTYPES[str(dtype)], name

    names = sorted(tensors, key=order)
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    end = 0
    for name in names:
        dtype = dtype_of(tensors[name])
        start, end = end, end + tensors[name].numel() * torch.empty(0, dtype=dtype).element_size()
        shape = list(tensors[name].shape)
        header[name] = {"dtype": _DTYPES[str(dtype)], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    with replacing(path, exclusive=exclusive) as partial, partial.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            own = tensors[name].detach().to(dtype=dtype_of(tensors[name]), device="cpu").contiguous()
            file.write(own.reshape(-1).view(torch.uint8).numpy().data)


def _flush(path: Path) -> None:
    with path.open("rb+") as written:  # Windows flushes only what is open for writing
        os.fsync(written.fileno())


def _system_error_of(error: Exception, path: Path) -> OSError | None:
    """The system's error inside one of safetensors, which names it in its text alone: "… (os error 28)"."""
    if type(error).__name__ != "SafetensorError":
        return None
    found = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(int(found[1]), str(error), str(path)) if found else None


def append_jsonl(path: Path, row: Mapping[str, Any]) -> None:
    """Add one row. A row is one write of one line, so a crash loses at most that row.

    Raises BrandsmithError as `replacing` does.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    data = (json.dumps(row, ensure_ascii=False) + "\n").encode()
    with explained(path), path.open("ab", buffering=0) as log:
        end = log.seek(0, os.SEEK_END)
        try:
            while data:
                data = data[log.write(data) :]
        except OSError:  # no space: no part of a row stays
            with suppress(OSError):  # a device
                log.truncate(end)
            raise


def user_cache() -> Path:
    """Our folder in the user's cache; not made here."""
    return Path.home() / ".cache" / "brandsmith"


def user_config() -> Path:
    """Our folder for what is the user's own and is kept: $BRANDSMITH_CONFIG, or in the home; not made here."""
    given = os.environ.get("BRANDSMITH_CONFIG")
    return Path(given) if given else Path.home() / ".config" / "brandsmith"


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
    lock = FileLock(folder / ".lock", fallback_to_soft=False, thread_local=False)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0 if refusal else -1)
        except Timeout:
            assert refusal is not None  # without a timeout there is no Timeout
            raise refusal from None
    try:
        yield
    finally:
        lock.release()
