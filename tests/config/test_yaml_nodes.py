# ruff: noqa: E501 - a table of mistakes is read one per line
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_agent.config.yaml_nodes import LIMIT_BYTES, Document, Mark, Written, read

FILE = Path("press.yaml")


def test_values_come_with_the_places_of_key_and_value() -> None:
    document = _read('tags:\n  force: {address: 0x10, unit: "kN"}\n')

    assert document.value == {"tags": {"force": {"address": 16, "unit": "kN"}}}
    assert document.problems == []
    assert document.place(("tags", "force", "address")).key == Mark(2, 11, 7)
    assert document.place(("tags", "force", "address")).value == Mark(2, 20, 4)
    assert document.place(("tags", "force", "unit")).value == Mark(2, 32, 4)
    assert document.place(("tags", "force")).value == Mark(2, 10, 27)


def test_list_entries_have_places_of_their_own() -> None:
    document = _read("pad:\n  - 0x00\n  - 255\n")

    assert document.value == {"pad": [0, 255]}
    assert document.place(("pad", 1)).value == Mark(3, 5, 3)


def test_the_place_of_what_is_not_there_is_that_of_what_is_around_it() -> None:
    document = _read("a:\n  b: 1\n")

    assert document.place(("a", "x", "y")) == document.place(("a",))


def test_whole_numbers_may_be_keys() -> None:
    assert _read("enum: {0: stopped, -1: fault, 0x10: run}").value == {
        "enum": {0: "stopped", -1: "fault", 16: "run"}
    }


def test_a_number_with_a_point_remembers_its_text() -> None:
    value = _read("[0.1000, -.5]").value

    assert value == [0.1, -0.5]
    assert isinstance(value, list)
    assert [number.text for number in value if isinstance(number, Written)] == ["0.1000", "-.5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True), ("FALSE", False), ("~", None), ("", None), ("12", 12), ("-3", -3), ("0", 0), ("0xFF", 255),
        ("1.0.0", "1.0.0"), ("10.3.7.20:502", "10.3.7.20:502"), ("250ms", "250ms"), ("-", "-"), (".", "."),
        ("online", "online"), ("'on'", "on"), ('"010"', "010"), ("no way", "no way"), ("_", "_"), ("1e", "1e"),
    ],
)  # fmt: skip
def test_plain_text_is_what_it_looks_like(text: str, expected: object) -> None:
    document = _read(f"key: {text}" if text != "-" else "key: '-'")

    assert document.problems == []
    assert document.value == {"key": expected}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("on", 'on is read as true by YAML 1.1; write true, or "on"'),
        ("Off", 'Off is read as false by YAML 1.1; write false, or "Off"'),
        ("yes", 'yes is read as true by YAML 1.1; write true, or "yes"'),
        ("n", 'n is read as false by YAML 1.1; write false, or "n"'),
        ("010", '010 is octal in YAML 1.1; write 10, or "010" in quotes for a text'),
        ("00001", '00001 is octal in YAML 1.1; write 1, or "00001" in quotes for a text'),
        ("0b101", '0b101 is not the same in every YAML; write 5, or "0b101" in quotes for a text'),
        ("0o17", '0o17 is not the same in every YAML; write 15, or "0o17" in quotes for a text'),
        ("1:30", '1:30 is a number of base 60 in YAML 1.1; write "1:30" in quotes'),
        ("1_000", '1_000 is a number in YAML 1.1; write 1000, or "1_000" for a text'),
        ("1e3", "1e3 is not a number in YAML 1.1; write 1000"),
        ("2.5E-2", "2.5E-2 is not a number in YAML 1.1; write 0.025"),
        ("1e999999999", "1e999999999 is not a number in YAML 1.1; write the number without an exponent"),
        ("2026-01-02", '2026-01-02 is a date in YAML 1.1; write "2026-01-02" in quotes'),
        (".inf", ".inf is not a number that can be used here; write a finite number"),
        ("9" * 50, "a number of 50 characters is too long; at most 40"),
    ],
)
def test_yaml_traps_are_errors_that_say_what_to_write(text: str, message: str) -> None:
    document = _read(f"key: {text}")

    assert _messages(document) == [(1, 6, message)]
    assert document.problems[0].width == len(text)
    assert ("key",) in document.spoiled


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", (3, 1, "duplicate key 'a'; it stands in line 1 already")),
        ("a: &x 1", (1, 4, "'&x': anchors are not supported; write the value out")),
        ("a: *x", (1, 4, "'*x': aliases are not supported; write the value out")),
        ("a: {<<: 1}", (1, 5, "merge keys are not supported; write the keys out")),
        ("a: !!str 5", (1, 4, "tag 'tag:yaml.org,2002:str': YAML tags are not supported; leave it out")),
        ("a: 1\n---\nb: 2", (2, 1, "a second document starts here; write one document per file")),
        ("true: 1", (1, 1, 'a key is a word or a whole number; write "true" in quotes')),
        ("1.5: 1", (1, 1, 'a key is a word or a whole number; write "1.5" in quotes')),
        ("off: 1", (1, 1, 'off is read as false by YAML 1.1; write false, or "off"')),
        ("[a, b]: {c: [1]}", (1, 1, "a key is a word or a whole number, nothing else")),
        ("*x : 1", (1, 1, "a key is a word or a whole number, nothing else")),
        ("a:\n\tb: 1", (2, 1, "a tab stands here; YAML is indented with spaces")),
        ("a: @x", (1, 4, "a text that begins with '@' needs quotes")),
        ("a: [1, 2\nb: 3", (2, 2, "a ',' or the closing ']' is missing (it began in line 1)")),
        ("a: {b: 1", (1, 9, "a ',' or the closing '}' is missing; a text with brackets in it needs quotes")),
        (
            "a: {type: uint16[4]}",
            (1, 17, "a ',' or the closing '}' is missing; a text with brackets in it needs quotes"),
        ),
        ("a: 'x", (1, 6, "the closing quote is missing")),
        ("a: b\x01c", (1, 5, "a control character stands here; delete it")),
        ("a: !<x y", (1, 7, "this is not YAML: did not find the expected '>'")),
        ("[" * 40 + "]" * 40, (1, 33, "nested deeper than 32 levels")),
        (
            "{" + "{a: " * 40 + "1" + "}" * 40 + ": 1}",
            (1, 2, "a key is a word or a whole number, nothing else"),
        ),
    ],
)
def test_what_nobody_should_write_is_refused_at_its_place(text: str, problem: tuple[int, int, str]) -> None:
    document = _read(text)

    assert _messages(document)[0] == problem


def test_every_mistake_is_collected() -> None:
    document = _read("a: on\nb: 010\nb: 1\nc: [1:30, !x 2]\n")

    assert [(line, column) for line, column, _ in _messages(document)] == [
        (1, 4),
        (2, 4),
        (3, 1),
        (4, 5),
        (4, 11),
    ]


def test_a_letter_may_be_a_key_though_not_a_value() -> None:
    document = read(b"for: {n: 1, y: n}", Path("a.yaml"))

    assert document.value == {"for": {"n": 1, "y": "n"}}
    assert [problem.column for problem in document.problems] == [16]


def test_the_first_of_two_equal_keys_counts() -> None:
    assert _read("a: 1\na: 2").value == {"a": 1}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", (1, 1, "the file is empty")),
        (b" \n\n", (1, 1, "the file is empty")),
        (b"a: 1\nb: \xff", (2, 4, "byte 0xFF is not UTF-8; save the file as UTF-8")),
        (b"#" * (LIMIT_BYTES + 1), (1, 1, "the file has 1048577 bytes; a configuration has at most 1048576")),
    ],
)
def test_a_file_that_is_no_text_gives_one_clear_error(data: bytes, problem: tuple[int, int, str]) -> None:
    document = read(data, FILE)

    assert _messages(document) == [problem]
    assert not document.readable


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert read(b"\xef\xbb\xbfa: 1", FILE).value == {"a": 1}


def test_passwords_are_covered_in_the_lines_that_are_shown() -> None:
    document = _read("user: {name: a, password: geheim}, b: on")

    assert document.lines == ["user: {name: a, password: ******}, b: on"]


def test_references_to_passwords_are_shown() -> None:
    line = 'password: "${cred:broker}"'

    assert _read(line).lines == [line]


@pytest.mark.parametrize("text", ["0123", "on", "1e3"])
def test_a_password_is_not_repeated_in_a_message(text: str) -> None:
    problem = _read(f"password: {text}").problems[0]

    assert problem.message == "put the password in quotes"
    assert text not in problem.text


SNIPPETS = st.lists(
    st.sampled_from(
        ["a", "b", ": ", ":", "- ", "\n", "\n  ", "{", "}", "[", "]", ",", "'", '"', "&x ", "*x", "!t ", "<<", "?", "|",
         ">", "#", "%", "---", "...", "\t", "on", "010", "1:30", "1e9", "0x", "\\", "\x00", "\x85", "\ufeff", "\U0001f600"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


@given(st.one_of(st.text(), SNIPPETS).map(lambda text: text.encode("utf-8", "replace")) | st.binary())
@example(b"[" * 100_000)
@example(b"{a: " * 100_000)
@example(b"? " * 50_000)
@example(b"- " * 50_000)
@example(b"1e" + b"9" * 30)
@example(b"0x" + b"f" * 100_000)
def test_any_text_gives_a_value_or_problems(data: bytes) -> None:
    document = read(data, FILE)

    assert document.readable or document.problems
    for problem in document.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.width >= 1


def _read(text: str) -> Document:
    return read(text.encode(), FILE)


def _messages(document: Document) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in document.problems]
