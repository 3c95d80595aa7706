"""What has to go when the log's share of the disk is used up."""

from collections.abc import Sequence


def victims(sizes: Sequence[int], *, need: int, most: int) -> int:
    """How many of the oldest segments must go so that one of `need` bytes fits within `most` bytes.

    `sizes` are the bytes of the segments, oldest first; the newest is never a victim: it is being written.
    """
    total, gone = sum(sizes), 0
    while gone < len(sizes) - 1 and total + need > most:
        total -= sizes[gone]
        gone += 1
    return gone
