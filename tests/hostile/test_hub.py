"""The hub: never asked for what a file names, given up when it is silent, not asked for what is here."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brandsmith.base import hub, sources
from brandsmith.base.sources import resolve_recorded_base
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.export.lora_tools import extract_lora, merge_loras
from brandsmith.judges.weights import fetch_weights
from brandsmith.methods.method import Words


def test_a_file_that_names_a_hub_repository_never_asks_the_hub(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for name in ("someone/else", "../elsewhere", "\\\\server\\share", "//server/share", "a\0b", ""):
        with pytest.raises(MissingResource, match=r"picture\.png.*made for base") as refusal:
            resolve_recorded_base(name, "picture.png")
        assert "--base" in refusal.value.hint


def test_loras_that_are_not_there_are_named_before_the_hub_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("the network was asked"))
    words = Words("mark", "logo")
    with pytest.raises(InvalidInput, match="no LoRA run or LoRA file 'nowhere'"):
        merge_loras([tmp_path, "nowhere"], [], "owner/model", tmp_path / "run", words=words)
    with pytest.raises(MissingResource, match="nowhere"):
        extract_lora("./nowhere", "owner/model", tmp_path / "run", rank=4, words=words)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def silent_hub(monkeypatch) -> Iterator[list]:
    """A hub that takes connections and answers nothing; the connections."""
    server, connections = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        while True:
            try:
                connections.append(server.accept())
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
    monkeypatch.setattr("huggingface_hub.hf_api.constants.ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
    monkeypatch.setattr(hub, "HUB_TIMEOUT_SEC", 0.2)
    yield connections
    server.close()


@pytest.mark.slow
def test_a_silent_hub_is_given_up_after_seconds_with_a_word_that_it_was_asked(silent_hub, capsys):
    with pytest.raises(MissingResource, match="someone/else"):
        sources.resolve_base("someone/else")
    assert silent_hub and "looking for base 'someone/else' on the hub" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_of_judges_are_given_up_as_soon(silent_hub, capsys, tmp_path):
    started = time.monotonic()
    with pytest.raises(MissingResource, match="dinov2-small could not be fetched"):
        fetch_weights(["dinov2-small"], tmp_path)
    assert "looking for weights dinov2-small on the hub" in capsys.readouterr().err
    assert silent_hub and time.monotonic() - started < 60
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_cached_base_asks_nobody(tiny_folder, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **options: cached(tiny_folder, options))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    assert sources.resolve_base("owner/model") == tiny_folder
    assert resolve_recorded_base("owner/model", "picture.png") == tiny_folder
    assert capsys.readouterr().err == ""


def cached(folder: Path, options: dict) -> str:
    assert options["local_files_only"]
    return str(folder)
