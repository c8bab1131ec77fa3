"""Whatever is wrong with a fact file is said in one line: FILE:LINE, field, what is allowed."""

from pathlib import Path

import pytest

from kinowatt.errors import FactsError
from kinowatt.facts import loading

DEEP = "[" * 100_000


def written(folder: Path, text: str, name: str = "facts.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def refusal(read, *args: object) -> str:
    with pytest.raises(FactsError) as caught:
        read(*args)
    message = str(caught.value)
    assert message.isprintable()
    return message


def test_rows_know_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff# made by hand\r\na,b,c\r\n\r\n1,'x',\r\n# between\r\n2,y\r\n")
    rows = loading.read_csv(path, ("a", "b"))
    assert rows == [{"a": "1", "b": "'x'", "c": ""}, {"a": "2", "b": "y", "c": ""}]
    assert [row.where for row in rows] == ["facts.csv:4", "facts.csv:6"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "facts.csv: is empty; needs columns a, b"),
        ("# only this\n", "facts.csv: is empty; needs columns a, b"),
        ("a,c\n1,2\n", "facts.csv:1: column 'b' is missing"),
        ("a,b,b\n1,2,3\n", "facts.csv:1: column 'b' stands there twice"),
        ("a,b\n1,2\n3,\n", "facts.csv:3: field 'b' is missing or empty"),
        ("a,b\n1,2\n3\n", "facts.csv:3: field 'b' is missing or empty"),
        ("a,b\n1,2,3\n", "facts.csv:2: more fields than the header names"),
        ('a,b\n1,"cut off\n2,3\n', "facts.csv:2: not CSV: unexpected end of data"),
    ],
)
def test_malformed_csv(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(loading.read_csv, written(tmp_path, text), ("a", "b")) == message


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a = 1\nb = \n", "x.toml:2: not TOML: Invalid value"),
        ("[a]\nb = [1,\n2\n\n", "x.toml:3: not TOML: Unclosed array"),
        ("a = 1\na = 2\n", "x.toml:2: not TOML: Cannot overwrite a value"),
        ('a = "' + "\x01" + '"\n', "x.toml:1: not TOML: Illegal character"),
        ("a = " + DEEP, "x.toml:1: not TOML: "),
        ("a = " + "9" * 5000, "x.toml:1: not TOML: "),
    ],
)
def test_malformed_toml(tmp_path: Path, text: str, start: str) -> None:
    assert refusal(loading.read_toml, written(tmp_path, text, "x.toml")).startswith(start)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n"b"', "x.json:2: not JSON: Expecting ':' delimiter"),
        ("[1]", "x.json:1: not a JSON object"),
        (DEEP, "x.json: not JSON: "),
    ],
)
def test_malformed_json(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(loading.read_json, written(tmp_path, text, "x.json")).startswith(message)


def test_whole_files(tmp_path: Path) -> None:
    assert loading.read_json(written(tmp_path, '{"a": [1]}')) == {"a": [1]}
    assert loading.read_toml(written(tmp_path, "[a]\nb = 1\n")) == {"a": {"b": 1}}


@pytest.mark.parametrize("read", [loading.read_toml, loading.read_json, loading.read_text])
def test_files_that_are_no_text_or_not_there(tmp_path: Path, read) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    assert refusal(read, tmp_path / "x").startswith("x: cannot be read: ")
    assert refusal(read, tmp_path / "none").startswith("none: cannot be read: ")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fast", "f:1: field 'a' is 'fast', not a number"),
        ("", "f:1: field 'a' is '', not a number"),
        (None, "f:1: field 'a' is None, not a number"),
        (True, "f:1: field 'a' is True, not a number"),
        ([1], "f:1: field 'a' is [1], not a number"),
        (10**400, f"f:1: field 'a' is 1{'0' * 59}, not a number"),
        ("nan", "f:1: field 'a' is nan, not a finite number"),
        ("-1e999", "f:1: field 'a' is -inf, not a finite number"),
    ],
)
def test_numbers(value: object, message: str) -> None:
    assert loading.number({"a": "1.5"}, "a", "f:1") == 1.5
    assert refusal(loading.number, {"a": value}, "a", "f:1") == message


def test_the_line_of_a_toml_field(tmp_path: Path) -> None:
    text = 'top = 1\n[a]\nx = 1\n["a b"] # odd\nx = 2\n[a.c]\n  y=3\n'
    path = written(tmp_path, text, "x.toml")
    assert loading.toml_place(path, "", "top") == "x.toml:1"
    assert loading.toml_place(path, "a", "x") == "x.toml:3"
    assert loading.toml_place(path, "a b", "x") == "x.toml:5"
    assert loading.toml_place(path, "a.c", "y") == "x.toml:7"
    assert loading.toml_place(path, "a", "not there") == "x.toml:2"
    assert loading.toml_place(path, "nor this", "x") == "x.toml"
