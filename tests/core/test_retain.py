from edge_agent.core.retain import victims


def test_nothing_goes_while_there_is_room() -> None:
    assert victims([100, 100], need=100, most=300) == 0


def test_oldest_go_until_the_new_one_fits() -> None:
    assert victims([100, 200, 100], need=150, most=350) == 2


def test_newest_is_never_a_victim() -> None:
    assert victims([100, 100], need=500, most=100) == 1
    assert victims([], need=500, most=100) == 0
