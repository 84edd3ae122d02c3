"""Settings kept in PostgreSQL: a real server of the test's own, where one is installed (Debian: `apt-get install
postgresql`), and the extra `postgres`.

A server refuses to run as root: root starts it as the user that Debian makes for it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from brandsmith.study.config import parse_study
from brandsmith.study.proposals import open_proposals

pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")


def folder_of_binaries() -> Path | None:
    """Debian's newest, which is not on PATH, or else what is on PATH."""
    debian = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    return max(debian, default=on_path and Path(on_path).parent, key=lambda path: int(path.parent.name))


BINARIES = folder_of_binaries()
AS_ITS_USER = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL server is installed")


def as_its_user(*command: object) -> str:
    arguments = [*AS_ITS_USER, *map(str, command)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=60, cwd="/").stdout.strip()


@pytest.fixture
def url():
    """A database of its own, in a server of its own that ends with the test."""
    folder = Path(as_its_user("mktemp", "-d"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        as_its_user(BINARIES / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        as_its_user(BINARIES / "pg_ctl", "-D", folder / "data", "-w", "-o", options, "-l", folder / "log", "start")
        yield f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        as_its_user(BINARIES / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_settings_are_proposed_told_and_found_again(url, tmp_path):
    text = (files("brandsmith") / "data/studies/thesis-pocket.yaml").read_text(encoding="utf-8") + f"\nstorage: {url}\n"
    config = parse_study(text)
    first = open_proposals(config, tmp_path, "one")
    proposed = [proposals.first(2) for proposals in first]
    first[0].tell(proposed[0][0], 0.5, {100: 0.2}, stopped=False)
    first[0].tell(proposed[0][1], None, {100: 0.1}, stopped=True)
    again = open_proposals(config, tmp_path, "one")
    assert [proposals.first(2) for proposals in again] == proposed
    assert [trial.state.name for trial in again[0].study.trials] == ["COMPLETE", "PRUNED"] and again[
        0
    ].study.best_value == 0.5
    assert all(not proposals.study.trials for proposals in open_proposals(config, tmp_path, "another time"))
    assert not list(tmp_path.iterdir())  # nothing in the study's folder: it is all in the database
