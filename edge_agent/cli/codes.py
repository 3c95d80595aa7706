"""How a command ends: its exit code, and the one sentence that says why."""

OK, PROBLEM, USAGE, UNREACHABLE = 0, 1, 2, 3


class Ended(Exception):  # noqa: N818 - not an error of ours: the command is over
    """Nothing more to be done; the text says why and what to do, `code` is the exit code."""

    def __init__(self, why: str, code: int) -> None:
        super().__init__(why)
        self.code = code
