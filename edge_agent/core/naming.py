"""Names of tags and namespaces, made of what a server calls its own: short, readable, each once."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

LONGEST = 64  # characters of a name, as profiles have them
LONGEST_ALIAS = 20

_GERMAN = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS"}
)
_SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_COMMON = frozenset(
    {"http", "https", "urn", "www", "com", "org", "net", "de", "ua", "opcua", "types", "uuid"}
)


def snake(text: str) -> str:
    """The text in small letters, digits and underscores: `Drehzahl Öl-Pumpe 1` is `drehzahl_oel_pumpe_1`.

    Empty when it has no letter or digit that can be written so.
    """
    composed = unicodedata.normalize("NFC", text).translate(_GERMAN)
    plain = unicodedata.normalize("NFKD", composed).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", _SEAM.sub("_", plain).lower()).strip("_")


def tag_names(paths: Sequence[Sequence[str]]) -> list[str]:
    """A name for each path, none twice: what all paths begin with is left out.

    A name is as long as profiles allow at most, and loses words in front first.
    """
    shared = _shared([path[:-1] for path in paths])
    return _unique((_name(path[shared:]) for path in paths), LONGEST)


def aliases(uris: Iterable[str]) -> dict[str, str]:
    """A short name for each namespace: the last word of its URI that says something."""
    distinct = list(dict.fromkeys(uris))
    return dict(zip(distinct, _unique(map(_alias, distinct), LONGEST_ALIAS), strict=True))


def _name(path: Sequence[str]) -> str:
    words = "_".join(word for word in map(snake, path) if word) or "tag"
    while len(words) > LONGEST and "_" in words:
        words = words.partition("_")[2]
    words = words[:LONGEST].strip("_")
    return words if words[0].isalpha() else f"n{words}"[:LONGEST]


def _alias(uri: str) -> str:
    words = [snake(part) for part in re.split(r"[/:;?#]+", uri)]
    telling = [word for word in words if any(map(str.isalpha, word)) and word not in _COMMON]
    word = telling[-1] if telling else "ns"
    while len(word) > LONGEST_ALIAS and "_" in word:
        word = word.rpartition("_")[0]
    word = word[:LONGEST_ALIAS].strip("_")
    return word if word[0].isalpha() else f"n{word}"[:LONGEST_ALIAS]


def _shared(paths: Sequence[Sequence[str]]) -> int:
    """How many names all paths have in common at their beginning."""
    shared = 0
    for names in zip(*paths, strict=False):
        if len(set(names)) > 1:
            break
        shared += 1
    return shared


def _unique(names: Iterable[str], longest: int) -> list[str]:
    """The names with `_2`, `_3`, ... behind those that were there before."""
    taken: dict[str, int] = {}
    made = []
    for name in names:
        unique = name
        while unique in taken:
            taken[name] += 1
            end = f"_{taken[name]}"
            unique = name[: longest - len(end)] + end
        taken.setdefault(name, 1)
        taken.setdefault(unique, 1)
        made.append(unique)
    return made
