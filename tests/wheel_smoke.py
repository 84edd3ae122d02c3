"""Build the wheel, install it alone, draw a picture with it: `python tests/wheel_smoke.py`.

The wheel is built from a copy of the sources, so that nothing stale gets in, and installed into a fresh environment
that sees the dependencies of this one but not the source tree. What is checked is what a user of the wheel meets: the
data is inside, `brandsmith sample` writes a PNG, every name of `import brandsmith` is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("brandsmith", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
MUST_HOLD = (
    "brandsmith/py.typed",
    "brandsmith/data/pocket/model_index.json",
    "brandsmith/data/pocket/unet/diffusion_pytorch_model.safetensors",
    "brandsmith/data/demo/concept.yaml",
    "brandsmith/data/demo_judges/card.json",
    "brandsmith/data/report/page.html.j2",
    "brandsmith/data/studies/thesis-pocket.yaml",
)
NAMES = """
import pathlib, sys, brandsmith
assert pathlib.Path(brandsmith.__file__).is_relative_to(sys.prefix), brandsmith.__file__
assert not {"torch", "numpy"} & set(sys.modules)
print(*[name for name in brandsmith.__all__ if getattr(brandsmith, name) is not None])
"""


def build_wheel(work: Path) -> Path:
    """The wheel, built in `work` from a copy of the sources."""
    source = work / "source"
    source.mkdir()
    for name in SOURCES:
        given = ROOT / name
        if given.is_dir():
            shutil.copytree(given, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(given, source / name)
    run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work / "dist"), str(source)], work)
    (wheel,) = (work / "dist").glob("brandsmith-*.whl")
    return wheel


def check_contents(wheel: Path) -> int:
    """Raises AssertionError when a file of the package is not in the wheel; the number of files compared."""
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    files = [file for file in (ROOT / "brandsmith").rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    names = {file.relative_to(ROOT).as_posix() for file in files}
    missing = sorted((names | set(MUST_HOLD)) - held)
    assert not missing, f"{len(missing)} files are not in the wheel: {missing[:5]}"
    stray = sorted(name for name in held - names if ".dist-info/" not in name)
    assert not stray, f"files in the wheel that the sources do not have: {stray[:5]}"
    return len(names)


def install(wheel: Path, work: Path) -> Path:
    """A fresh environment with the wheel in it; the folder of its programs."""
    home = work / "environment"
    run([sys.executable, "-m", "venv", "--without-pip", str(home)], work)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    own = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], work).strip()
    # A path in a .pth file is searched for packages, but its own .pth files, an editable install's among them, are not.
    (Path(own) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], work)
    return programs


def check_use(programs: Path, work: Path) -> list[str]:
    """Draw a picture from an empty folder; the names of the front door."""
    place = work / "place"
    place.mkdir()
    names = run([str(programs / "python"), "-c", NAMES], place).split()
    drawn = run(
        [str(programs / "brandsmith"), "sample", "a red cap", "--seeds", "1", "--num-steps", "2", "--out", "out"], place
    )
    pictures = list((place / "out").glob("*.png"))
    assert len(pictures) == 1, f"one picture was to be drawn, there are {len(pictures)}: {drawn}"
    with Image.open(pictures[0]) as picture:
        assert picture.size == (128, 128) and len(set(picture.convert("L").tobytes())) > 16
    return names


def run(command: Sequence[str], cwd: Path) -> str:
    """What a command prints. Raises AssertionError with its errors when it fails."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="brandsmith-wheel-") as folder:
        work = Path(folder)
        wheel = build_wheel(work)
        count = check_contents(wheel)
        names = check_use(install(wheel, work), work)
        print(f"{wheel.name}: {count} files, {wheel.stat().st_size / 2**20:.1f} MiB, {len(names)} names, a picture")


if __name__ == "__main__":
    main()
