"""What several test files start from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from brandsmith.cli import main as cli  # before diffusers: it decides which packages wait

# isort: split
from bases import build_tiny, save_as_diffusers_folder
from lessons import write_concept

from brandsmith.core.notes import warn_once

pytest_plugins = ["ci_rules"]


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> tuple[Path, Path]:
    """A concept's folder and a base's."""
    folder = tmp_path_factory.mktemp("given")
    write_concept(folder / "brand")
    save_as_diffusers_folder(build_tiny("sd1"), folder / "tiny")
    return folder / "brand", folder / "tiny"


@pytest.fixture
def brandsmith(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: (*arguments) -> exit code, what it printed, what it complained."""

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["brandsmith", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        told = capsys.readouterr()
        return stop.value.code, told.out, told.err

    return command


@pytest.fixture(autouse=True)
def _notes_afresh() -> None:
    """What is said once is said once in every test, whichever ran before."""
    warn_once.cache_clear()


@pytest.fixture(autouse=True, scope="session")
def _signs_as_nobody(tmp_path_factory) -> Iterator[None]:
    """The key that signs is made for these tests, not kept in the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRANDSMITH_CONFIG", str(tmp_path_factory.mktemp("config")))
        yield
