"""Translation by a sealed folder: what is checked, and what stays untouched whatever the model does."""

from __future__ import annotations

import hashlib
import sys
from types import ModuleType, SimpleNamespace

import pytest

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.language.opus import FILES, SEAL, check_translator, load_translator, translate_text


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(name.encode())
    seal(tmp_path)
    return tmp_path


def seal(folder, names=FILES):
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names]
    (folder / SEAL).write_text("\n".join(sums) + "\n", encoding="utf-8")


@pytest.fixture
def stub(monkeypatch):
    """Modules that stand for the two packages; the model says its words backwards, in capitals."""

    class Model:
        def __init__(self, folder, device, compute_type):
            assert (device, compute_type) == ("cpu", "default")

        def translate_batch(self, pieces, beam_size):
            assert all(own[-1] == "</s>" for own in pieces)
            return [SimpleNamespace(hypotheses=[[word.upper() for word in own[:-1]][::-1]]) for own in pieces]

    class Pieces:
        def __init__(self, model_file):
            assert model_file.endswith(".spm")

        def encode(self, text, out_type):
            return text.split()

        def decode(self, pieces):
            return " ".join(pieces)

    for name, parts in {
        "ctranslate2": {"Translator": Model},
        "sentencepiece": {"SentencePieceProcessor": Pieces},
    }.items():
        module = ModuleType(name)
        vars(module).update(parts)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("brandsmith.language.opus.need_package", lambda *given: None)


def test_a_sealed_folder_translates(folder, stub):
    assert load_translator(folder)(["sininen kissa", "talo"]) == ["KISSA SININEN", "TALO"]


def test_a_changed_file_is_never_used(folder, stub):
    (folder / "model.bin").write_bytes(b"other")
    with pytest.raises(InvalidInput, match=r"model\.bin' is not the file"):
        load_translator(folder)


@pytest.mark.parametrize("name", [*FILES, SEAL])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(MissingResource, match=r"no sealed translator|is missing"):
        check_translator(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_seal_names_every_file(folder, name):
    seal(folder, [other for other in FILES if other != name])
    with pytest.raises(InvalidInput, match="does not name"):
        check_translator(folder)


def test_a_seal_names_no_file_outside(folder):
    with (folder / SEAL).open("a") as file:
        file.write("0" * 64 + "  ../elsewhere\n")
    with pytest.raises(MissingResource):
        check_translator(folder)


def test_without_the_extra_the_remedy_is_named(folder, monkeypatch):
    monkeypatch.setattr("brandsmith.core.optional.find_spec", lambda name: None)
    with pytest.raises(MissingResource) as found:
        load_translator(folder)
    assert "brandsmith[translate]" in found.value.hint


KEPT = 'sininen red_qoga_logo paita "kissa ja talo"'


def test_what_is_kept_moves_with_its_sentence():
    said = translate_text(KEPT, lambda texts: [" ".join(text.split()[::-1]) for text in texts])
    assert said == '"kissa ja talo" paita red_qoga_logo sininen'


def test_a_model_that_spoils_names_never_sees_what_is_kept():
    seen: list[str] = []

    def translate(texts):
        seen.extend(texts)
        return [text.lower() for text in texts]

    assert translate_text(KEPT.upper(), translate) == 'sininen RED_QOGA_LOGO paita "KISSA JA TALO"'
    assert not [text for text in seen if "QOGA" in text or "KISSA" in text]


def test_more_kept_words_than_names():
    text = " ja ".join(f"a_{number}" for number in range(12))
    assert translate_text(text, lambda texts: ["and" for _ in texts]) == text.replace("ja", "and")
