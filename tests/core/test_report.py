from edge_agent.core.model import Column, Scan, Schema, Value
from edge_agent.core.report import Reporter

S = 1_000_000_000


def schema(*columns: Column) -> Schema:
    return Schema("dev", "fast", columns, b"{}", "00000000")


ALWAYS = schema(Column("a", "f"), Column("b", "f"))
CHANGES = schema(Column("a", "f", on_change=True), Column("b", "f", on_change=True))


def reporter(of: Schema) -> Reporter:
    return Reporter(of, heartbeat_ns=300 * S)


def scan(of: Schema, at_s: float, *values: Value, quality: tuple[str, ...] | None = None) -> Scan:
    return Scan(of, round(at_s * S), values, quality)


def test_first_scan_is_full() -> None:
    got = reporter(ALWAYS).report(scan(ALWAYS, 1, 1.0, 2.0))

    assert got is not None
    assert (got.full, got.values, got.index) == (True, (1.0, 2.0), None)


def test_always_carries_every_good_value_changed_or_not() -> None:
    reports = reporter(ALWAYS)
    reports.report(scan(ALWAYS, 1, 1.0, 2.0))
    second = scan(ALWAYS, 2, 1.0, 2.0)

    assert reports.report(second) is second


def test_on_change_carries_what_changed() -> None:
    reports = reporter(CHANGES)
    reports.report(scan(CHANGES, 1, 1.0, 2.0))

    got = reports.report(scan(CHANGES, 2, 1.0, 3.0))

    assert got is not None
    assert (got.index, got.values, got.quality, got.full) == ((1,), (3.0,), None, False)
    assert reports.report(scan(CHANGES, 3, 1.0, 3.0)) is None


def test_deadband_compares_with_the_last_reported_value() -> None:
    of = schema(Column("a", "f", deadband=1.0, on_change=True))
    reports = reporter(of)
    reports.report(scan(of, 1, 10.0))

    assert reports.report(scan(of, 2, 10.6)) is None
    assert reports.report(scan(of, 3, 11.0)) is None
    crept = reports.report(scan(of, 4, 11.2))
    assert crept is not None
    assert crept.values == (11.2,)


def test_bad_quality_is_reported_once_and_good_brings_its_value_again() -> None:
    reports = reporter(CHANGES)
    reports.report(scan(CHANGES, 1, 1.0, 2.0))
    failed = ("bad:timeout", "")

    first = reports.report(scan(CHANGES, 2, None, 2.0, quality=failed))
    second = reports.report(scan(CHANGES, 3, None, 2.0, quality=failed))
    back = reports.report(scan(CHANGES, 4, 1.0, 2.0))

    assert first is not None
    assert (first.index, first.quality) == ((0,), ("bad:timeout",))
    assert second is None
    assert back is not None
    assert (back.index, back.values, back.quality) == ((0,), (1.0,), None)


def test_always_keeps_silent_about_what_stays_bad() -> None:
    reports = reporter(ALWAYS)
    reports.report(scan(ALWAYS, 1, 1.0, 2.0))
    failed = ("bad:timeout", "bad:timeout")

    once = reports.report(scan(ALWAYS, 2, None, None, quality=failed))

    assert once is not None
    assert once.quality == failed
    assert reports.report(scan(ALWAYS, 3, None, None, quality=failed)) is None
    partly = reports.report(scan(ALWAYS, 4, None, 5.0, quality=("bad:timeout", "")))
    assert partly is not None
    assert (partly.index, partly.values) == ((1,), (5.0,))


def test_uncertain_carries_its_value_and_its_quality_each_time() -> None:
    reports = reporter(ALWAYS)
    reports.report(scan(ALWAYS, 1, 1.0, 2.0))
    doubtful = ("", "uncertain:out_of_range")

    for at in (2, 3):
        got = reports.report(scan(ALWAYS, at, 1.0, 999.0, quality=doubtful))
        assert got is not None
        assert (got.values, got.quality) == ((1.0, 999.0), doubtful)


def test_heartbeat_makes_a_full_scan() -> None:
    reports = reporter(CHANGES)
    reports.report(scan(CHANGES, 0, 1.0, 2.0))

    assert reports.report(scan(CHANGES, 299, 1.0, 2.0)) is None
    full = reports.report(scan(CHANGES, 300, 1.0, None, quality=("", "bad:timeout")))
    assert full is not None
    assert (full.full, full.quality) == (True, ("", "bad:timeout"))
    assert reports.report(scan(CHANGES, 301, 1.0, None, quality=("", "bad:timeout"))) is None


def test_clock_that_goes_back_makes_a_full_scan() -> None:
    reports = reporter(CHANGES)
    reports.report(scan(CHANGES, 1000, 1.0, 2.0))

    got = reports.report(scan(CHANGES, 10, 1.0, 2.0))

    assert got is not None
    assert got.full


def test_renewed_reporter_makes_a_full_scan() -> None:
    reports = reporter(CHANGES)
    reports.report(scan(CHANGES, 1, 1.0, 2.0))
    reports.renew()

    got = reports.report(scan(CHANGES, 2, 1.0, 2.0))

    assert got is not None
    assert got.full


def test_times_of_requests_stay_with_their_columns() -> None:
    reports = reporter(CHANGES)
    reports.report(scan(CHANGES, 1, 1.0, 2.0))

    got = reports.report(Scan(CHANGES, 2 * S, (1.0, 3.0), None, None, (0.0, 140.5)))

    assert got is not None
    assert (got.index, got.offsets_ms) == ((1,), (140.5,))
