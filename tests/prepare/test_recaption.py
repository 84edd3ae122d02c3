"""Captions by an endpoint, by a local model, and edited in bulk: always in a copy, and leaks are said."""

from __future__ import annotations

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from lessons import TOKEN, write_concept
from PIL import Image
from test_import import state

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import BrandsmithError, InvalidConfig
from brandsmith.prepare import captioners
from brandsmith.prepare.captioners import checked_url, said_in


class Server(BaseHTTPRequestHandler):
    """Answers as `answers` says, in turn; keeps what it was asked."""

    answers: ClassVar[list[tuple[int | str, bytes]]] = []
    asked: ClassVar[list[tuple[dict, dict[str, str]]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked.append((json.loads(body), dict(self.headers)))
        code, content = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(code, str):
            self.wfile.write(code.encode() + b"\r\n\r\n")
            return
        self.send_response(code)
        if code in (301, 302, 307):
            self.send_header("Location", content.decode())
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *given):
        pass


def said(text: str) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": {"content": text}}]}).encode()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(captioners, "FIRST_PAUSE_SEC", 0.0)
    for name in captioners.KEYS:
        monkeypatch.delenv(name, raising=False)
    Server.answers, Server.asked = [said("a blue sweater with a Logo on it")], []
    running = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/v1"
    running.shutdown()
    running.server_close()


def test_an_endpoint_describes_every_picture_and_the_token_takes_its_place(brandsmith, tmp_path, server, monkeypatch):
    monkeypatch.setenv("BRANDSMITH_API_KEY", "a-secret")
    concept = write_concept(tmp_path / "brand")
    (concept.folder / "images" / "3.txt").unlink()
    before = state(concept.folder)
    command = ("concept", "caption", concept.folder, "--endpoint", server, "--model", "seer", "--out", tmp_path / "out")
    code, out, err = brandsmith(*command, "--json")
    assert code == 0 and "a-secret" not in out + err and state(concept.folder) == before
    assert {own.caption for own in load_concept(tmp_path / "out").examples} == {f"a blue sweater with a {TOKEN} on it"}
    assert len(Server.asked) == 4 and json.loads(out.splitlines()[-1])["3.png"]["before"] is None
    body, headers = Server.asked[0]
    assert body["model"] == "seer" and headers["Authorization"] == "Bearer a-secret"
    url = body["messages"][0]["content"][1]["image_url"]["url"]
    sent = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    assert sent.format == "JPEG" and sent.size == (80, 72) and TOKEN not in json.dumps(body)


def test_what_gives_the_concept_away_is_said(brandsmith, tmp_path, server):
    Server.answers = [said("a red Q O G A print on a mug")]
    concept = write_concept(tmp_path / "brand")
    code, out, _ = brandsmith("concept", "caption", concept.folder, "--endpoint", server, "--model", "m")
    assert code == 0 and out.count("says 'Q O G A' beside the token") == 4 and f"a {TOKEN}, a red Q O G A" in out


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([(404, b"no")], "404"),
        ([(200, b"[]")], "without choices"),
        ([(200, b'{"choices": [{"message": {"content": ""}}]}')], "empty answer"),
        ([(200, b"\xff\xfe")], "gives no caption"),
        ([(200, b"x" * (2 << 20))], "more than"),
        ([(302, b"http://127.0.0.1:9/other")], "302"),
        ([("not a number", b"")], "gives no caption"),  # a first line that is not of HTTP
    ],
)
def test_an_endpoint_that_answers_wrongly_is_one_sentence(brandsmith, tmp_path, server, answers, says):
    Server.answers = answers
    concept = write_concept(tmp_path / "brand")
    command = ("concept", "caption", concept.folder, "--endpoint", server, "--model", "m", "--out", tmp_path / "out")
    code, _, err = brandsmith(*command)
    assert code == 1 and says in err and "Traceback" not in err and not (tmp_path / "out").exists()


def test_a_busy_endpoint_is_asked_again_and_one_failure_keeps_the_others(brandsmith, tmp_path, server):
    concept = write_concept(tmp_path / "brand")
    Server.answers = [(503, b""), said("a mug"), (400, b"no"), said("a cap")]
    code, out, _ = brandsmith(
        "concept", "caption", concept.folder, "--endpoint", server, "--model", "m", "--out", tmp_path / "out"
    )
    captions = [own.caption for own in load_concept(tmp_path / "out").examples]
    assert code == 0 and captions[:2] == [f"a {TOKEN}, a mug", concept.examples[1].caption]
    assert "1.png: not captioned" in out


def test_edits_keep_lines_and_the_token(brandsmith, tmp_path):
    concept = write_concept(tmp_path / "brand")
    (concept.folder / "images" / "0.txt").write_text(f"a {TOKEN} old\nsecond line, blue\n")
    edit = ("--replace", "blue=azure", "--replace", " old=", "--prefix", "photo of ", "--suffix", ", studio")
    command = ("concept", "caption", concept.folder, *edit)
    before = state(concept.folder)
    assert brandsmith(*command)[0] == 0 and state(concept.folder) == before
    assert brandsmith(*command, "--out", tmp_path / "out")[0] == 0
    lines = (tmp_path / "out" / "images" / "0.txt").read_text()
    assert lines == f"photo of a {TOKEN}\nsecond line, azure, studio\n"
    code, _, err = brandsmith("concept", "caption", concept.folder, "--replace", f"{TOKEN}=logo")
    assert code == 2 and "would lose the token" in err
    code, _, err = brandsmith(*command, "--out", tmp_path / "out")
    assert code == 2 and "exists" in err and state(concept.folder) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--replace", "x"), "OLD=NEW"),
        (("--endpoint", "ftp://x"), "--endpoint"),
        (("--endpoint", "http://me:pw@x/v1", "--model", "m"), "--endpoint"),
        (("--endpoint", "http://x/v1\r\nHost: y", "--model", "m"), "--endpoint"),
        (("--endpoint", "http://x/a b", "--model", "m"), "--endpoint"),
        (("--endpoint", "http://x:99999/v1", "--model", "m"), "--endpoint"),
        (("--endpoint", "http://x/caf\xe9", "--model", "m"), "--endpoint"),
        (("--endpoint", "http://x"), "--model"),
        (("--model", "m"), "--endpoint"),
        (("--captioner", "nowhere"), "no model of transformers"),
    ],
)
def test_wrong_options_are_refused(brandsmith, tmp_path, arguments, says):
    code, _, err = brandsmith("concept", "caption", write_concept(tmp_path / "brand").folder, *arguments)
    assert code == 2 and says in err and "pw" not in err


def test_a_key_is_never_sent_unencrypted_to_another_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert checked_url("http://127.0.0.1:1/v1/") == "http://127.0.0.1:1/v1/chat/completions"
    with pytest.raises(InvalidConfig, match="not encrypted"):
        checked_url("http://example.org/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert checked_url("http://example.org/v1").startswith("http://example.org")
    with pytest.raises(ValueError, match="choices"):
        said_in('{"error": 1}')


@pytest.mark.slow
def test_a_local_model_of_transformers_describes_pictures(brandsmith, tmp_path):
    """A tiny BLIP with random weights: what it says means nothing, and it is the model's own."""
    import torch
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    folder = tmp_path / "blip"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(59))]
    (folder / "vocab.txt").write_text("\n".join(words))
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = small | {
        "vocab_size": 64,
        "encoder_hidden_size": 16,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    config = BlipConfig(
        text_config=text | {"sep_token_id": 3}, vision_config=small | {"image_size": 32, "patch_size": 16}
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    BlipProcessor(BlipImageProcessor(size=size), BertTokenizer(str(folder / "vocab.txt"))).save_pretrained(folder)
    concept = write_concept(tmp_path / "brand")
    command = ("concept", "caption", concept.folder, "--captioner", folder, "--out", tmp_path / "out")
    code, _, err = brandsmith(*command)
    assert code == 0, err
    assert all(own.caption.startswith(f"a {TOKEN}, word") for own in load_concept(tmp_path / "out").examples)


def test_a_key_with_a_line_end_is_that_key_and_one_that_no_header_holds_is_never_printed(
    brandsmith, tmp_path, server, monkeypatch
):
    concept = write_concept(tmp_path / "brand")
    command = ("concept", "caption", concept.folder, "--endpoint", server, "--model", "m")
    monkeypatch.setenv("BRANDSMITH_API_KEY", "a-secret\n")
    assert brandsmith(*command)[0] == 0 and Server.asked[0][1]["Authorization"] == "Bearer a-secret"
    asked = len(Server.asked)
    for key in ("a-secret\nof two lines", "a-secret\xe9"):
        monkeypatch.setenv("BRANDSMITH_API_KEY", key)
        code, out, err = brandsmith(*command)
        assert code == 2 and "BRANDSMITH_API_KEY holds" in err and "a-secret" not in out + err
    assert len(Server.asked) == asked


def test_an_answer_that_never_ends_is_given_up(server, monkeypatch):
    seconds = iter([0.0, 1e6])
    monkeypatch.setattr(captioners, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    endpoint = captioners.Endpoint(checked_url(server), "m", "?")
    with pytest.raises(BrandsmithError, match="of more than 120 seconds"):
        endpoint(np.zeros((8, 8, 3), np.uint8))


def test_an_endpoint_that_fails_from_the_start_is_not_asked_about_every_picture(brandsmith, tmp_path, server):
    Server.answers = [(400, b"no")]
    concept = write_concept(tmp_path / "brand")
    assert len(concept.examples) == 4
    code, _, err = brandsmith("concept", "caption", concept.folder, "--endpoint", server, "--model", "m")
    assert code == 1 and "400" in err and len(Server.asked) == 3
