"""Which word was probably meant."""

from difflib import get_close_matches


def nearest(word: object, known: list[str]) -> str | None:
    """The known word that was probably meant."""
    lowered = {name.lower(): name for name in known}
    close = get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def hint(word: object, known: list[str]) -> str:
    """The end of a message about an unknown word: what was probably meant, or what there is."""
    close = nearest(word, known)
    if close is not None:
        return f" - did you mean '{close}'?"
    return f"; there {'is' if len(known) == 1 else 'are'}: {', '.join(known)}" if 0 < len(known) <= 16 else ""
