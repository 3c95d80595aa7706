from edge_agent.core.gap import Gap, merged


def gap(first: int | None, last: int | None, **more: object) -> Gap:
    given = {"life": "b1", "device": "press", "group": "fast", "reason": "evicted:max_bytes", **more}
    return Gap(first=first, last=last, **given)  # type: ignore[arg-type]  # keywords of the tests


def test_message_has_the_form_receivers_know() -> None:
    numbered = gap(3, 5, start_ns=1_760_000_000_010_999_999, end_ns=1_760_000_001_000_000_000, scans=3)

    assert numbered.document("gw1") == {
        "v": 1,
        "gw": "gw1",
        "b": "b1",
        "d": "press",
        "g": "fast",
        "n": [3, 5],
        "t": [1760000000010, 1760000001000],
        "scans": 3,
        "reason": "evicted:max_bytes",
    }
    whole = Gap("b1", None, None, "restart:unclean", end_ns=2_000_000)
    assert (whole.document("gw1")["n"], whole.document("gw1")["t"]) == (None, [None, 2])
    assert Gap("b1", None, None, "restart:unclean").document("gw1")["t"] is None


def test_neighbours_become_one() -> None:
    assert merged(gap(1, 3, start_ns=10, end_ns=30), gap(4, 6, start_ns=40, end_ns=60)) == gap(
        1, 6, start_ns=10, end_ns=60, scans=6
    )
    assert merged(gap(4, 6, start_ns=None, end_ns=60), gap(1, 5)) == gap(1, 6, end_ns=60, scans=6)


def test_others_stay_apart() -> None:
    assert merged(gap(1, 3), gap(5, 6)) is None
    assert merged(gap(5, 6), gap(1, 3)) is None
    assert merged(gap(1, 3), gap(4, 6, device="other")) is None
    assert merged(gap(1, 3), gap(4, 6, reason="unreadable")) is None
    assert merged(gap(1, 3), gap(None, None)) is None


def test_unnumbered_ones_join_where_they_touch() -> None:
    first = gap(None, None, reason="overrun", start_ns=10, end_ns=20, scans=2)

    assert merged(first, gap(None, None, reason="overrun", start_ns=20, end_ns=50, scans=3)) == gap(
        None, None, reason="overrun", start_ns=10, end_ns=50, scans=5
    )
    assert merged(first, gap(None, None, reason="overrun", start_ns=30, end_ns=50, scans=3)) is None
    assert merged(first, gap(None, None, reason="overrun", start_ns=20, end_ns=50)) == gap(
        None, None, reason="overrun", start_ns=10, end_ns=50
    )


def test_fields_make_the_same_gap_again() -> None:
    one = gap(1, 3, start_ns=10, end_ns=30, scans=3)

    assert Gap(*one.fields()) == one  # type: ignore[arg-type]  # as the log reads them back
