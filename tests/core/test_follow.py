from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.core.follow import Follower
from edge_agent.core.model import Column, Scan, Schema, Value
from edge_agent.core.report import UNKNOWN

S = 1_000_000_000
MS = 1_000_000


def schema(*columns: Column) -> Schema:
    return Schema("plc", "fast", columns, b"{}", "00000000")


ALWAYS = schema(Column("a", "d"), Column("b", "d"))
CHANGES = schema(Column("a", "d", on_change=True), Column("b", "d", on_change=True))


def follower(of: Schema = ALWAYS, *, resolution_ns: int = MS) -> Follower:
    return Follower(of, heartbeat_ns=300 * S, resolution_ns=resolution_ns)


def whole(of: Schema, at_s: float, *values: Value, quality: tuple[str, ...] | None = None) -> Scan:
    return Scan(of, round(at_s * S), values, quality)


def sample(of: Schema, at_s: float, column: int, value: Value, quality: str = "") -> Scan:
    return Scan(of, round(at_s * S), (value,), (quality,) if quality else None, (column,))


def test_first_scan_of_all_columns_is_full() -> None:
    got = follower().report(whole(ALWAYS, 1, 1.0, 2.0))

    assert got == Scan(ALWAYS, S, (1.0, 2.0), full=True)


def test_before_all_columns_are_known_nothing_is_full() -> None:
    follows = follower()

    assert follows.report(sample(ALWAYS, 1, 1, 2.0)) == Scan(ALWAYS, S, (2.0,), index=(1,))
    assert follows.confirm(2 * S) is None
    assert follows.quality == [UNKNOWN, ""]

    got = follows.report(sample(ALWAYS, 3, 0, 1.0))
    assert got == Scan(ALWAYS, 3 * S, (1.0, 2.0), offsets_ms=(0.0, -2000.0), full=True)


def test_news_carries_the_columns_that_have_some() -> None:
    follows = follower()
    follows.report(whole(ALWAYS, 1, 1.0, 2.0))

    assert follows.report(sample(ALWAYS, 2, 1, 2.0)) == Scan(ALWAYS, 2 * S, (2.0,), index=(1,))


def test_same_sample_told_twice_is_one() -> None:
    follows = follower()
    follows.report(whole(ALWAYS, 1, 1.0, 2.0))

    assert follows.report(sample(ALWAYS, 1, 1, 2.0)) is None
    assert follows.report(Scan(ALWAYS, 2 * S, (5.0, 2.0), offsets_ms=(0.0, -1000.0))) == Scan(
        ALWAYS, 2 * S, (5.0,), index=(0,)
    )


def test_same_sample_is_one_also_when_it_is_years_old() -> None:
    # Offsets are floats of ms; beyond 104 days they cannot tell one ns from the next.
    old_ns, then_ns, now_ns = 1617920611178002000, 1760000000000000000, 1760000000888598000
    follows = follower()
    follows.report(Scan(ALWAYS, then_ns, (1.0, 2.0), offsets_ms=((old_ns - then_ns) / 1e6, 0.0)))

    got = follows.report(Scan(ALWAYS, now_ns, (1.0, 2.0), offsets_ms=((old_ns - now_ns) / 1e6, 0.0)))

    assert got == Scan(ALWAYS, now_ns, (2.0,), index=(1,))


def test_on_change_keeps_silent_about_the_same_value() -> None:
    follows = follower(CHANGES)
    follows.report(whole(CHANGES, 1, 1.0, 2.0))

    assert follows.report(sample(CHANGES, 2, 1, 2.0)) is None
    assert follows.report(sample(CHANGES, 3, 1, 3.0)) == Scan(CHANGES, 3 * S, (3.0,), index=(1,))


def test_deadband_compares_with_the_last_reported_value() -> None:
    of = schema(Column("a", "d", deadband=1.0, on_change=True))
    follows = follower(of)
    follows.report(whole(of, 1, 10.0))

    assert follows.report(whole(of, 2, 10.6)) is None
    assert follows.report(whole(of, 3, 11.0)) is None
    assert follows.report(whole(of, 4, 11.2)) == Scan(of, 4 * S, (11.2,))


def test_bad_is_reported_once_and_good_brings_its_value_again() -> None:
    follows = follower(CHANGES)
    follows.report(whole(CHANGES, 1, 1.0, 2.0))

    first = follows.report(sample(CHANGES, 2, 0, None, "bad:BadDeviceFailure"))
    second = follows.report(sample(CHANGES, 3, 0, None, "bad:BadDeviceFailure"))
    back = follows.report(sample(CHANGES, 4, 0, 1.0))

    assert first == Scan(CHANGES, 2 * S, (None,), ("bad:BadDeviceFailure",), (0,))
    assert second is None
    assert back == Scan(CHANGES, 4 * S, (1.0,), None, (0,))


def test_uncertain_carries_value_and_quality() -> None:
    follows = follower()
    follows.report(whole(ALWAYS, 1, 1.0, 2.0))

    got = follows.report(sample(ALWAYS, 2, 0, 9.0, "uncertain:out_of_range"))

    assert got == Scan(ALWAYS, 2 * S, (9.0,), ("uncertain:out_of_range",), (0,))


def test_heartbeat_makes_a_full_scan_with_the_time_of_each_sample() -> None:
    follows = follower(CHANGES)
    follows.report(whole(CHANGES, 0, 1.0, 2.0))
    follows.report(sample(CHANGES, 10, 0, 5.0))

    assert follows.report(sample(CHANGES, 299, 1, 2.0)) is None
    got = follows.report(sample(CHANGES, 300, 1, 3.0))

    assert got == Scan(CHANGES, 300 * S, (5.0, 3.0), offsets_ms=(-290_000.0, 0.0), full=True)


def test_sign_of_life_makes_a_full_scan_when_one_is_due() -> None:
    follows = follower(CHANGES)
    follows.report(whole(CHANGES, 0, 1.0, 2.0))
    follows.report(sample(CHANGES, 10, 0, 5.0))

    assert follows.confirm(299 * S) is None
    got = follows.confirm(300 * S)

    assert got == Scan(CHANGES, 10 * S, (5.0, 2.0), offsets_ms=(0.0, -10_000.0), full=True, lag_ns=290 * S)
    assert follows.confirm(301 * S) is None


def test_heartbeat_goes_by_the_time_of_the_agent() -> None:
    follows = follower(CHANGES)
    hour = 3600 * S
    follows.report(Scan(CHANGES, S, (1.0, 2.0), lag_ns=hour))

    assert follows.report(Scan(CHANGES, S + 299 * S, (1.0, 2.0), lag_ns=hour)) is None
    got = follows.report(Scan(CHANGES, 2 * S, (1.0, 3.0), lag_ns=hour + 299 * S))

    assert got == Scan(CHANGES, 2 * S, (1.0, 3.0), full=True, lag_ns=hour + 299 * S)


def test_renewed_follower_makes_a_full_scan() -> None:
    follows = follower(CHANGES)
    follows.report(whole(CHANGES, 1, 1.0, 2.0))
    follows.renew()

    assert follows.report(whole(CHANGES, 1, 1.0, 2.0)) == Scan(CHANGES, S, (1.0, 2.0), full=True)


def test_times_within_the_resolution_are_one() -> None:
    follows = follower(resolution_ns=100 * MS)

    near = follows.report(Scan(ALWAYS, S, (1.0, 2.0), offsets_ms=(-100.0, 0.0)))
    far = follows.report(Scan(ALWAYS, 2 * S, (1.0, 2.0), offsets_ms=(-100.001, 0.0)))

    assert near == Scan(ALWAYS, S, (1.0, 2.0), full=True)
    assert far == Scan(ALWAYS, 2 * S, (1.0, 2.0), offsets_ms=(-100.001, 0.0))


# --- whatever is told ---------------------------------------------------------------------

OF = schema(Column("a", "d"), Column("b", "d", on_change=True), Column("c", "d", 1.0, on_change=True))
BAND = (0.0, 0.0, 1.0)
QUALITIES = ("", "", "", "bad:x", "bad:y", "uncertain:x")


Sample = tuple[Value, str, int]
NOTHING: Sample = (None, UNKNOWN, 0)


def samples(scan: Scan) -> dict[int, Sample]:
    """What a scan says: value, quality and time in ns of each column it carries."""
    quality = scan.quality or ("",) * len(scan.values)
    offsets = scan.offsets_ms or (0.0,) * len(scan.values)
    columns = range(len(scan.values)) if scan.index is None else scan.index
    times = [scan.time_ns + round(ms * 1000) * 1000 for ms in offsets]
    return dict(zip(columns, zip(scan.values, quality, times, strict=True), strict=True))


@st.composite
def told(draw: st.DrawFn) -> list[Scan | str]:
    """What a server tells: scans of some columns, some of them twice; signs of life; gaps."""
    now_s = 0
    out: list[Scan | str] = []
    for _ in range(draw(st.integers(1, 25))):
        now_s += draw(st.integers(1, 100))
        kind = draw(st.sampled_from(["news", "news", "news", "again", "life", "gap"]))
        scans = [each for each in out if isinstance(each, Scan)]
        if kind == "again" and scans:
            out.append(scans[-1])
        elif kind in ("life", "gap"):
            out.append(f"{kind} {now_s}")
        else:
            out.append(draw(some(now_s)))
    return out


@st.composite
def some(draw: st.DrawFn, now_s: int) -> Scan:
    index = sorted(draw(st.sets(st.integers(0, 2), min_size=1)))
    quality: Any = tuple(draw(st.sampled_from(QUALITIES)) for _ in index)
    values = tuple(None if each.startswith("bad:") else draw(st.integers(0, 8)) / 2 for each in quality)
    offsets = tuple(-draw(st.integers(0, 3000)) / 1000 for _ in index) if draw(st.booleans()) else None
    return Scan(
        OF,
        now_s * S,
        values,
        quality if any(quality) else None,
        None if len(index) == 3 else tuple(index),
        offsets,
        lag_ns=draw(st.integers(0, 10)) * S,
    )


@given(told())
def test_who_sees_the_reports_knows_what_was_told(story: list[Scan | str]) -> None:
    follows = Follower(OF, heartbeat_ns=300 * S, resolution_ns=0)
    known = dict.fromkeys(range(3), NOTHING)
    seen = dict.fromkeys(range(3), NOTHING)
    fresh: Counter[tuple[int, Sample]] = Counter()
    reported: Counter[tuple[int, Sample]] = Counter()

    for each in story:
        if isinstance(each, Scan):
            fresh.update((i, now) for i, now in samples(each).items() if now != known[i])
            known |= samples(each)
            got = follows.report(each)
        elif each.startswith("life"):
            got = follows.confirm(int(each.split()[1]) * S)
        else:
            follows.renew()
            seen = dict.fromkeys(range(3), NOTHING)
            continue

        if got is not None and got.full:
            assert samples(got) == known
        elif got is not None:
            reported.update(samples(got).items())
        seen |= samples(got) if got is not None else {}
        assert agree(seen, known)
        if isinstance(each, Scan) and NOTHING not in known.values():
            assert NOTHING not in seen.values()

    assert reported <= fresh


def agree(seen: dict[int, Sample], known: dict[int, Sample]) -> bool:
    """What a receiver has seen is what is known, up to deadband; after a gap it knows of knowing nothing."""
    return all(
        quality == UNKNOWN
        or (quality == known[i][1] and (quality.startswith("bad:") or near(value, known[i][0], BAND[i])))
        for i, (value, quality, _) in seen.items()
    )


def near(a: Value, b: Value, band: float) -> bool:
    return isinstance(a, float) and isinstance(b, float) and abs(a - b) <= band
