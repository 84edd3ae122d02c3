"""A table of products is read as spreadsheets write it, and refused with every fault and its line."""

from __future__ import annotations

import csv
import io

import pytest

from brandsmith.core.errors import InvalidInput
from brandsmith.create.products import csv_text, items_of, read_products
from brandsmith.create.view_prompts import prompt_of

HEADER = "id,name,garments,colours,views,section,text,price"
ROW = 'Q-01,Harbour sweater,sweater,blue;green,front;man,Knitwear,"Merino, warm",€ 89'


def table(folder, *lines: str, encoding: str = "utf-8", end: str = "\n"):
    file = folder / "products.csv"
    file.write_bytes((end.join(lines) + end).encode(encoding))
    return file


def faults_of(file) -> list[str]:
    with pytest.raises(InvalidInput) as refused:
        read_products(file)
    assert refused.value.exit_code == 2
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


def test_a_row_is_garments_by_colours_by_views(tmp_path):
    (product,) = read_products(table(tmp_path, HEADER, ROW))
    assert (product.line, product.text, product.price) == (2, "Merino, warm", "€ 89")
    items = items_of([product], "qoga")
    assert [item.prompt for item in items] == [
        "a blue qoga sweater",
        "a male model wearing a blue qoga sweater",
        "a green qoga sweater",
        "a male model wearing a green qoga sweater",
    ]
    assert items[0].name == "q-01_blue_sweater_front" and len({item.name for item in items}) == 4
    assert items[1].variant == "blue, on a man"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiter_and_encoding_are_seen(tmp_path, delimiter, encoding, end):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(HEADER.split(","))
    writer.writerow(["Ä1".replace("Ä", "A"), "Größe, eins; zwei", "cap", "blue;red", "", "", "one\ntwo", "5"])
    file = table(tmp_path, *out.getvalue().splitlines(), encoding=encoding, end=end)
    (product,) = read_products(file)
    assert product.name == "Größe, eins; zwei" and product.colours == ("blue", "red") and product.views == ("front",)
    assert product.text == "one two"


def test_a_spreadsheets_own_note_of_the_delimiter_counts(tmp_path):
    (product,) = read_products(table(tmp_path, "sep=;", "id;name;garments", "a;b;cap"))
    assert (product.id, product.line) == ("a", 3)


def test_every_fault_is_told_at_once_with_its_line(tmp_path):
    file = table(
        tmp_path,
        HEADER,
        "Q-01,One,cap,blue;blue,front,,,",
        'Q-02,"Two',
        'lines",cap,,sideways,,,',
        "q-03,,,red,front,,,",
        "bad id,Five,cap,red,front,,,",
        "Q-04,Six,cap,red,front,,",
        "",
        "Q-05,Seven,cap,red,,,,",
        "q-05,Eight,cap,red,,,,",
    )
    found = faults_of(file)
    starts = ["line 2: colours has 'blue' 2 times", "line 3: unknown view 'sideways'; did you mean 'side'?"]
    starts += ["line 5: name is empty", "line 5: garments is empty", "line 6: id is 'bad id'", "line 7: 7 cells for 8"]
    starts += ["line 10: id 'q-05' is that of line 9 too"]
    for start in starts:
        assert any(line.startswith(start) for line in found), (start, found)
    assert len(found) == len(starts)


def test_an_open_quote_hides_none_of_the_faults_before_it(tmp_path):
    found = faults_of(table(tmp_path, "id,name,garments", "1,,cap", "2,Two", '3,"Three,cap'))
    assert len(found) == 3 and found[0].startswith("line 2: name is empty") and "is a quote left open?" in found[2]


def test_unknown_missing_and_repeated_columns(tmp_path):
    found = faults_of(table(tmp_path, "id,id,color,garments", "1,2,red,cap"))
    assert "line 1: the column 'id' is there 2 times" in found
    assert any("unknown column 'color'; did you mean 'colours'?" in line for line in found)
    assert any("the column 'name' is missing" in line for line in found)


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("a {token} {size}", "prompt has {size}"),
        ("a {token} {", "a brace without its other half"),
        ("a {token} cap", "prompt does not say {colour}"),
        ("a {colour} {token.x} cap", "prompt has {token.x}"),
    ],
)
def test_prompts_of_ones_own_are_checked(tmp_path, prompt, complaint):
    found = faults_of(table(tmp_path, "id,name,garments,colours,prompt", f"1,One,cap,red;blue,{prompt}"))
    assert any(complaint in line for line in found), found


def test_a_prompt_of_ones_own_is_drawn_as_it_is(tmp_path):
    file = table(tmp_path, "id,name,garments,colours,prompt", "1,One,cap,red,a {colour} {token} {garment} on sand")
    assert [item.prompt for item in items_of(read_products(file), "qoga")] == ["a red qoga cap on sand"]


def test_two_pictures_never_share_a_file(tmp_path):
    found = faults_of(table(tmp_path, "id,name,garments,colours", "1,One,cap,sky blue;sky-blue"))
    assert found == ["line 2: two pictures would have the file name '1_sky-blue_cap_front' (line 2 has the other)"]


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"PK\x03\x04xyz", b'id,name,garments\n1,"open,cap\n', b"id,name,garments\n"]
)
def test_what_is_no_table_is_refused(tmp_path, content):
    file = tmp_path / "products.csv"
    file.write_bytes(content)
    with pytest.raises(InvalidInput):
        read_products(file)


def test_formulas_are_text_on_the_way_in_and_out(tmp_path, capsys):
    file = table(tmp_path, "id,name,garments,text,price", 'a,"=HYPERLINK(""http://x"")",cap,@SUM(A1),-5')
    (product,) = read_products(file)
    assert product.name == '=HYPERLINK("http://x")' and product.text == "@SUM(A1)"
    assert "(line 2) are taken as text" in capsys.readouterr().err
    written = csv_text(("name", "text", "score"), [(product.name, product.text, -0.5), ("\tx", "+1", None)])
    assert written.startswith("\ufeffname,text,score\r\n")
    rows = list(csv.reader(io.StringIO(written[1:])))
    assert rows[1] == ["'" + product.name, "'@SUM(A1)", "-0.5"] and rows[2] == ["'\tx", "'+1", ""]


def test_views_make_sentences():
    assert prompt_of("front", "orange qoga cap") == "an orange qoga cap"
    assert prompt_of("man", "blue qoga pants") == "a male model wearing blue qoga pants"
    assert prompt_of("two of a {thing}", "red cap") == "two of a red cap"
    assert prompt_of("front", "qoga dress") == "a qoga dress"
