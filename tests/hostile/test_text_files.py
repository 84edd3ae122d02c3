"""Files of text, YAML and JSON from outside: one clear line that names the file, or the right value."""

from __future__ import annotations

import json
import os
import time

import pytest
from lessons import TOKEN, write_concept

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConcept, InvalidInput
from brandsmith.core.json_files import DEEPEST, parse_json, read_jsonl, read_object
from brandsmith.core.text import read_text
from brandsmith.core.yaml_lines import read_yaml

# ----------------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("content", "warns"),
    [
        ("a café\r\nsign".encode(), False),
        ("a café\nsign".encode("utf-8-sig"), False),
        ("a café\nsign".encode("utf-16"), False),
        (b"\xfe\xff" + "a café\nsign".encode("utf-16-be"), False),
        ("a café\nsign".encode("utf-32"), False),
        ("a café\nsign".encode("latin-1"), True),
    ],
)
def test_text_is_read_in_the_encoding_it_has(content, warns, tmp_path, capsys):
    file = tmp_path / f"{len(content)}.txt"
    file.write_bytes(content)
    assert read_text(file) == "a café\nsign"
    assert (str(file) in capsys.readouterr().err) == warns


def test_a_windows_apostrophe_is_an_apostrophe(tmp_path, capsys):
    (tmp_path / "c.txt").write_bytes(b"the shop\x92s wall")
    assert read_text(tmp_path / "c.txt") == "the shop’s wall"
    assert "Windows-1252" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x01\x02", "null"),
        ("utf-16 without a mark".encode("utf-16-le"), "null"),
        (b"\x81\x8d\xff", "neither UTF-8"),
        (b"\xff\xfea", "UTF-16"),
        (b"x" * (1 << 19), "larger than"),
    ],
)
def test_what_is_no_text_is_refused(content, words, tmp_path):
    (tmp_path / "c.txt").write_bytes(content)
    with pytest.raises(InvalidInput, match=words) as refused:
        read_text(tmp_path / "c.txt")
    assert str(tmp_path / "c.txt") in str(refused.value) and refused.value.hint


@pytest.mark.skipif(os.name == "nt", reason="no FIFOs on Windows")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("fifo", "folder"):
        with pytest.raises(InvalidInput, match="regular file"):
            read_text(tmp_path / name)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_text(tmp_path / ("x" * 5000))


def test_captions_train_without_their_byte_order_mark(tmp_path):
    concept = write_concept(tmp_path / "c")
    for example, encoding in zip(concept.examples, ("utf-8-sig", "utf-16", "cp1252", "utf-8"), strict=True):
        example.image.with_suffix(".txt").write_bytes(f"a café, {TOKEN}".encode(encoding))
    assert {example.caption for example in load_concept(tmp_path / "c").examples} == {f"a café, {TOKEN}"}


# ----------------------------------------------------------------------------- YAML

NINE = ",".join(["*{0}"] * 9)
BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{NINE.format(chr(97 + i))}]\n" for i in range(12)),
    "merges": "a: &a {x: 1}\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} {{<<: [{NINE.format(chr(97 + i))}]}}\n" for i in range(12)),
    "itself": "a: &a [*a]\n",
    "merges itself": "a: &a\n  <<: *a\n",
    "brackets": "[" * 100_000,
    "dashes": "- " * 20_000 + "x",
    "question marks": "? " * 20_000,
    "steps": "".join("  " * i + "a:\n" for i in range(300)),
    "flood": "\n".join(f"k{i}: v" for i in range(12_000)),
    "object": "a: !!python/object/apply:os.system [ls]\n",
    "set": "a: !!set {x, y}\n",
    "month 13": "a: 2020-13-45\n",
    "no number": "a: !!int x\n",
    "digits": f"a: {'9' * 5000}\n",
    "no time": "a: !!timestamp x\n",
    "no bool": "a: !!bool x\n",
    "no float": "a: !!float ''\n",
    "null": "a: \x00",
    "two documents": "a: 1\n---\nb: 2\n",
    "tab": "a:\n\t- b\n",
    "key": "? [a]\n: b\n",
    "twice": "token: a\ntoken: b\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_yaml_that_is_no_configuration_is_refused_at_once(name, tmp_path):
    concept = tmp_path / "c"
    write_concept(concept)
    (concept / "concept.yaml").write_bytes(BOMBS[name].encode())
    started = time.process_time()
    with pytest.raises(InvalidConcept, match=r"concept\.yaml' (line \d+: )?"):
        load_concept(concept)
    assert time.process_time() - started < 3


def test_yaml_aliases_and_merges_that_are_meant_are_read():
    found = read_yaml("a: &a {x: 1, y: 1e-4}\nb: {<<: *a, x: 2}\nc: *a\n")
    assert found.problems == [] and found.value["b"] == {"x": 2, "y": 1e-4} and found.value["c"] == found.value["a"]
    assert found.line_of(("b", "x")) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("prompts: []", r"line 2: prompts"),
        ("token: 7", r"given twice"),
        ("colour: red", r"line 2: colour"),
        ("class_word: ''", r"line 2: class_word"),
        ("expected_text: 1e5", r"line 2: expected_text.*given 100000"),
        (f"expected_text: {'x' * 300}", r"line 2: expected_text"),
        (r'class_word: "a\nb"', r"line 2: class_word: it holds '\\n'"),
        (r'expected_text: "\e[31m"', r"line 2: expected_text: it holds '\\x1b'"),
        ("repeats: {images/*: 0}", r"line 2: repeats.images/\*: Input"),
        ("prompts: ['a {token}', 'a {token}']", r"prompt 'a \{token\}' is given twice"),
    ],
)
def test_a_mistake_in_a_concept_has_its_line(line, words, tmp_path):
    write_concept(tmp_path / "c")
    (tmp_path / "c" / "concept.yaml").write_text(f"token: {TOKEN}\n{line}\n")
    with pytest.raises(InvalidConcept, match=words):
        load_concept(tmp_path / "c")


# ----------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("", "not valid JSON"),
        ("[1]", "valid dictionary"),
        ("7", "valid dictionary"),
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": 1e999}', "too large a number"),
        (f'{{"a": {"9" * 5000}}}', "too large a number"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a": ' + "[" * 100_000 + "}", "not valid JSON"),
        ('{"a": ' + "[" * DEEPEST + "]" * DEEPEST + "}", "nested deeper"),
    ],
)
def test_json_that_cannot_be_meant_is_refused(text, words, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InvalidInput, match=words) as refused:
        read_object(tmp_path / "x.json")
    assert "x.json" in str(refused.value) and len(str(refused.value)) < 400


def test_json_that_is_meant_is_read():
    value = {"a": [1, -2.5, None, True, "é \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")], "b": {}}
    assert parse_json(json.dumps(value)) == parse_json(json.dumps(value, ensure_ascii=False)) == value


def test_a_torn_line_is_left_out_and_a_line_separator_tears_none(tmp_path, capsys):
    rows = [{"prompt": "one\u2028line"}, {"prompt": "é"}]
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in rows]
    (tmp_path / "r.jsonl").write_bytes(b"\n".join(lines) + b'\n{"prompt": "\xc3')
    assert read_jsonl(tmp_path / "r.jsonl") == rows and capsys.readouterr().err == ""
    (tmp_path / "s.jsonl").write_bytes(lines[0] + b"\n" + lines[1][:-3] + b"\n" + lines[1] + b"\n")
    assert read_jsonl(tmp_path / "s.jsonl") == rows and "line 2" in capsys.readouterr().err
