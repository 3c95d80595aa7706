# ruff: noqa: E501 - a table of mistakes is read one per line
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.config import hints, syntax
from edge_agent.config.syntax import Origin, Secret, Surroundings
from edge_agent.config.yaml_nodes import Written


@pytest.mark.parametrize(
    ("parse", "value", "expected"),
    [
        (syntax.duration, "250ms", 0.25),
        (syntax.duration, "1s", 1.0),
        (syntax.duration, "5min", 300.0),
        (syntax.duration, "2h", 7200.0),
        (syntax.duration, "14d", 1209600.0),
        (syntax.duration, "1.5s", 1.5),
        (syntax.size, "64KiB", 65536),
        (syntax.size, "2GiB", 2147483648),
        (syntax.size, "500kB", 500000),
        (syntax.size, "0.5KiB", 512),
        (syntax.exact, Written("0.1"), Fraction(1, 10)),
        (syntax.exact, Written("0.12345678901234567891"), Fraction(12345678901234567891, 10**20)),
        (syntax.exact, -3, Fraction(-3)),
        (syntax.number, 5, 5.0),
        (syntax.name, "de-wob_p03.gw17", "de-wob_p03.gw17"),
        (syntax.tag_name, "force-1_x", "force-1_x"),
        (syntax.label_name, "hall", "hall"),
        (syntax.words, "Halle 3, Süd", "Halle 3, Süd"),
    ],
)
def test_a_text_means(parse: Callable[[object], object], value: object, expected: object) -> None:
    assert parse(value) == expected


@pytest.mark.parametrize(
    ("parse", "value", "message"),
    [
        (syntax.duration, 5, "5 has no unit; write 5ms or 5s"),
        (syntax.duration, "5", "5 has no unit; write 5ms or 5s"),
        (
            syntax.duration,
            "5m",
            "'m' in '5m' is not a unit of time; there are ms, s, min, h, d; write for example 5min",
        ),
        (
            syntax.duration,
            "5 weeks",
            "'weeks' in '5 weeks' is not a unit of time; there are ms, s, min, h, d",
        ),
        (syntax.duration, "soon", "'soon' is not a duration such as 250ms, 1s, 5min, 2h or 14d"),
        (syntax.duration, "-1s", "'-1s' is not a duration such as 250ms, 1s, 5min, 2h or 14d"),
        (syntax.duration, True, "true is not a duration such as 250ms, 1s, 5min, 2h or 14d"),
        (syntax.size, 1000, "1000 has no unit; write 1000KiB or 1000MiB"),
        (
            syntax.size,
            "2G",
            "'G' in '2G' is not a unit of size; there are B, kB, MB, GB, TB, KiB, MiB, GiB, TiB; write GiB",
        ),
        (syntax.size, "0.3B", "'0.3B' is not a whole number of bytes"),
        (syntax.exact, "0.1", "'0.1' is not a number"),
        (syntax.number, True, "true is not a number"),
        (syntax.name, "a b", "'a b' cannot be a name; use letters, digits, '.', '_' and '-', at most 64"),
        (syntax.name, "..", "'..' cannot be a name; use letters, digits, '.', '_' and '-', at most 64"),
        (syntax.name, 5, '5 is not a text; write "5" in quotes'),
        (syntax.name, ["a"], "a text is expected here, not a list"),
        (
            syntax.tag_name,
            "a.b",
            "'a.b' cannot name a tag: the dot stands between a tag and its parts; use '_'",
        ),
        (syntax.tag_name, "ä", "'ä' cannot name a tag; use letters, digits, '_' and '-', at most 64"),
        (
            syntax.label_name,
            "1st",
            "'1st' cannot name a label; begin with a letter, go on with letters, digits, '_'",
        ),
        (
            syntax.label_name,
            "device",
            "'device' cannot name a label: topics use {device} for the device itself",
        ),
        (syntax.words, " ", "the text is empty"),
        (syntax.words, "a\nb", "the text has a line break or a control character in it"),
        (syntax.words, {}, "a text is expected here, not a mapping"),
    ],
)
def test_a_text_is_refused_with(parse: Callable[[object], object], value: object, message: str) -> None:
    assert _message(parse, value) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.3.7.20:1502", ("10.3.7.20", 1502)),
        ("plc-7.local", ("plc-7.local", 502)),
        ("[fe80::1]:503", ("fe80::1", 503)),
        ("[::1]", ("::1", 502)),
    ],
)
def test_an_address_has_a_host_and_a_port(text: str, expected: tuple[str, int]) -> None:
    assert syntax.host_port(text, 502) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fe80::1:502", "'fe80::1:502': write an IPv6 address in brackets, for example [fe80::1]:502"),
        ("10.3.7.256:502", "'10.3.7.256' is not an IPv4 address; it has four numbers from 0 to 255"),
        ("10.3.7:502", "'10.3.7' is not an IPv4 address; it has four numbers from 0 to 255"),
        ("plc:0", "port '0' is not a number from 1 to 65535"),
        ("plc:", "port '' is not a number from 1 to 65535"),
        ("plc:99999", "port '99999' is not a number from 1 to 65535"),
        ("tcp://plc:502", "'tcp://plc:502': write the address without 'tcp://'"),
        ("a b", "'a b' is not an address; write for example \"10.3.7.20:502\""),
        (502, '502 is not an address; write for example "10.3.7.20:502"'),
    ],
)
def test_an_address_is_refused_with(value: object, message: str) -> None:
    assert _message(lambda given: syntax.host_port(given, 502), value) == message


@pytest.mark.parametrize(
    ("text", "tls", "host", "port", "loopback"),
    [
        ("mqtts://broker.example", True, "broker.example", 8883, False),
        ("mqtt://localhost:1884", False, "localhost", 1884, True),
        ("mqtt://127.0.0.9/", False, "127.0.0.9", 1883, True),
        ("mqtt://[::1]", False, "::1", 1883, True),
        ("mqtt://127.evil.example", False, "127.evil.example", 1883, False),
    ],
)
def test_a_broker_url_means(text: str, tls: bool, host: str, port: int, loopback: bool) -> None:
    url = syntax.broker_url(text)

    assert (url.tls, url.host, url.port, url.loopback) == (tls, host, port, loopback)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("broker:1883", "'broker:1883' is not a broker; write for example mqtts://broker.example:8883"),
        ("http://u:geheim@b", "'b' is not a broker; write for example mqtts://broker.example:8883"),
        (
            "mqtts://u:geheim@b",
            "user and password do not belong into the url; write user: {name: ..., password: ...} beside it",
        ),
        (
            "mqtts://b/topic",
            "'mqtts://b/topic': nothing may follow the port; the topic is set by 'topic'",
        ),
    ],
)
def test_a_broker_url_is_refused_with(text: str, message: str) -> None:
    assert _message(syntax.broker_url, text) == message


def test_a_secret_never_prints() -> None:
    secret = Secret("geheim")

    assert f"{secret} {secret!r}" == "(secret) (secret)"
    assert secret.reveal() == "geheim"


def test_a_secret_comes_from_environment_file_or_credential(tmp_path: Path) -> None:
    origin = _origin(tmp_path, PW="from env", CREDENTIALS_DIRECTORY=str(tmp_path / "credentials"))
    (tmp_path / "pw.txt").write_text("from file\n")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "broker").write_text("from credential")

    texts = ["${env:PW}", "${file:pw.txt}", "${cred:broker}"]

    assert [syntax.secret(text, origin).reveal() for text in texts] == [
        "from env",
        "from file",
        "from credential",
    ]


def test_a_secret_that_stands_in_the_file_says_so(tmp_path: Path) -> None:
    assert syntax.secret("geheim", _origin(tmp_path)).plain


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("${env:PW}", "environment variable 'PW' is not set"),
        ("${file:no.txt}", "cannot read {folder}/no.txt: no such file or directory"),
        ("${file:bin}", "{folder}/bin is not UTF-8 text"),
        (
            "${cred:x}",
            "${cred:x}: CREDENTIALS_DIRECTORY is not set; systemd sets it for LoadCredential=x:...",
        ),
        (
            "a${env:PW}",
            "a secret is one reference: ${env:NAME}, ${file:path} or ${cred:NAME}, nothing around it",
        ),
        ("${hostname}", "${hostname} is not a path"),
        (12345, "a text is expected here; put it in quotes"),
    ],
)
def test_a_secret_is_refused_with(tmp_path: Path, value: object, message: str) -> None:
    (tmp_path / "bin").write_bytes(b"\xff")

    found = _message(lambda given: syntax.secret(given, _origin(tmp_path)), value)

    assert found == message.replace("{folder}", str(tmp_path))


def test_a_path_is_relative_to_the_file_it_stands_in(tmp_path: Path) -> None:
    origin = _origin(tmp_path, CERT="env.pem", CREDENTIALS_DIRECTORY="/run/credentials/x")

    texts = ["certs/a.pem", "/etc/a.pem", "${file:b.pem}", "${env:CERT}", "${cred:key}"]

    assert [syntax.referred_path(text, origin) for text in texts] == [
        tmp_path / "certs/a.pem",
        Path("/etc/a.pem"),
        tmp_path / "b.pem",
        tmp_path / "env.pem",
        Path("/run/credentials/x/key"),
    ]


@pytest.mark.parametrize("text", ["${cred:../x}", "${file:a\0b}", "x${env:A}", "a.pem"])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"not|path|control character"):
        syntax.existing_file(text, _origin(tmp_path, CREDENTIALS_DIRECTORY="/run"))


def test_an_id_may_come_from_the_host_or_the_environment(tmp_path: Path) -> None:
    origin = _origin(tmp_path, SITE="wob")

    assert syntax.resolved("${env:SITE}-${hostname}", origin) == "wob-box7"


@pytest.mark.parametrize("text", ["${file:x}", "${HOSTNAME}"])
def test_an_id_has_no_other_references(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="there are"):
        syntax.resolved(text, _origin(tmp_path))


def test_the_nearest_word_is_suggested_else_all_are_named() -> None:
    assert hints.hint("unit16", ["int16", "uint16"]) == " - did you mean 'uint16'?"
    assert hints.hint("xyz", ["coil", "input"]) == "; there are: coil, input"
    assert hints.hint("xyz", []) == ""


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())))
def test_no_value_makes_a_parser_raise_anything_but_a_value_error(value: object) -> None:
    origin = _origin(Path("/nowhere"), A="b")
    parsers: list[Callable[[object], object]] = [
        syntax.duration, syntax.size, syntax.exact, syntax.number, syntax.name, syntax.tag_name, syntax.label_name,
        syntax.words, syntax.broker_url,
        lambda given: syntax.host_port(given, 502),
        lambda given: syntax.secret(given, origin),
        lambda given: syntax.resolved(given, origin),
        lambda given: syntax.existing_file(given, origin),
    ]  # fmt: skip

    for parse in parsers:
        _message(parse, value)


def _message(parse: Callable[[object], object], value: object) -> str | None:
    try:
        parse(value)
    except ValueError as error:
        return str(error)
    return None


def _origin(folder: Path, **environ: str) -> Origin:
    return Origin(folder, Surroundings(environ, "box7"))
