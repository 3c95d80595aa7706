"""`extends`: a profile as its file says it, put over the one that it names, and so on.

As JSON Merge Patch (RFC 7396): what the child says counts, mappings are merged key by key, null deletes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edge_agent.config.folders import Folders
from edge_agent.config.section import Section
from edge_agent.config.syntax import Origin, Surroundings, quoted, words
from edge_agent.config.yaml_nodes import At, Document, Place

OWN = ("schema", "id", "version", "extends", "tests")
"""What every file says for itself: who it is, and tests of its own, since tags of the parent may be gone."""


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What files say of a type of device, before parameters are filled in. `digest` is that of all of it.

    `whole` is false when a file could not be read or a parent not be found, which is noted.
    """

    section: Section
    digest: str
    whole: bool = True


def blueprint(path: Path, folders: Folders, surroundings: Surroundings) -> Blueprint:
    """The profile in a file with all its parents. OSError when the file itself cannot be read."""
    return _blueprint(path, folders, surroundings, {})


def _blueprint(
    path: Path, folders: Folders, surroundings: Surroundings, chain: Mapping[Path, str]
) -> Blueprint:
    document, digest = folders.read(path)
    # A copy: the same file may be looked at for several children.
    document = replace(document, problems=list(document.problems))
    section = Section(document, Origin(path.absolute().parent, surroundings))
    if not document.readable:
        return Blueprint(section, digest, whole=False)
    if not section.inside("extends").present:
        return Blueprint(section, digest)
    parent = _parent(section, folders, surroundings, {**chain, path.absolute(): _named(document)})
    if parent is None:
        return Blueprint(section, digest, whole=False)
    both = hashlib.sha256(bytes.fromhex(digest) + bytes.fromhex(parent.digest)).hexdigest()
    named = str(section.inside("extends").value)
    return Blueprint(
        replace(section, document=_Merge(document, parent.section.document, named).document()), both
    )


def _parent(
    section: Section, folders: Folders, surroundings: Surroundings, chain: Mapping[Path, str]
) -> Blueprint | None:
    """What a profile extends; None when it cannot be, which is noted."""
    written = section.inside("extends")
    try:
        path = folders.find(words(written.value))
    except ValueError as error:
        written.error(str(error))
        return None
    if path.absolute() in chain:
        circle = " extends ".join([*chain.values(), chain[path.absolute()]])
        written.error(f"a profile cannot extend itself: {circle}")
        return None
    parent = _blueprint(path, folders, surroundings, chain)
    if not parent.whole:
        section.document.problems += parent.section.document.problems
        return None
    if not isinstance(parent.section.value, dict):
        written.error(f"{quoted(written.value)} is a file without keys; nothing can extend it")
        return None
    return parent


def _named(document: Document) -> str:
    return str(document.value.get("id", document.file.name)) if isinstance(document.value, dict) else ""


class _Merge:
    """One document put over another; every place remembers its file."""

    def __init__(self, child: Document, parent: Document, named: str) -> None:
        self._child = child
        self._parent = parent
        self._named = named
        self._merged = Document(
            child.file,
            lines=child.lines,
            problems=list(dict.fromkeys([*parent.problems, *child.problems])),
            spoiled=set(child.spoiled),
        )

    def document(self) -> Document:
        """The two as one."""
        value = self._parent.value
        below = (
            {key: each for key, each in value.items() if key not in OWN} if isinstance(value, dict) else {}
        )
        self._merged.value = self._put((), self._child.value, below)
        return self._merged

    def _put(self, at: At, value: object, below: object) -> object:
        """What comes of a value of the child over one of the parent."""
        self._stand(self._child, at)
        if isinstance(value, list):
            return self._copied(self._child, at, value)
        if not isinstance(value, dict):
            return value
        return self._merged_mapping(at, value, below if isinstance(below, dict) else {})

    def _merged_mapping(
        self, at: At, value: dict[str | int, object], below: dict[str | int, object]
    ) -> dict[str | int, object]:
        merged: dict[str | int, object] = {}
        for key, each in below.items():
            if key not in value:
                merged[key] = self._copied(self._parent, (*at, key), each)
            elif not self._deletes((*at, key), value[key]):
                merged[key] = self._put((*at, key), value[key], each)
        for key, each in value.items():
            if key in below:
                continue
            if self._deletes((*at, key), each):
                self._note_idle((*at, key))
            else:
                merged[key] = self._put((*at, key), each, None)
        return merged

    def _deletes(self, at: At, value: object) -> bool:
        return value is None and at not in self._child.spoiled

    def _note_idle(self, at: At) -> None:
        place = self._child.place(at)
        message = f"null deletes nothing: {self._named} has no {quoted(at[-1])} here; leave it out"
        self._merged.note(message, place.key or place.value)

    def _copied(self, document: Document, at: At, value: object) -> object:
        self._stand(document, at)
        if isinstance(value, dict):
            return {key: self._copied(document, (*at, key), each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._copied(document, (*at, index), each) for index, each in enumerate(value)]
        return value

    def _stand(self, document: Document, at: At) -> None:
        place = document.places.get(at)
        if place is None:
            return
        if at in document.spoiled:
            self._merged.spoiled.add(at)
        self._merged.places[at] = place if document is self._child else _marked(place, document)


def _marked(place: Place, document: Document) -> Place:
    """The place with its document named, unless an earlier merge has done so."""
    if place.value.source is not None:
        return place
    key = None if place.key is None else replace(place.key, source=document)
    return Place(replace(place.value, source=document), key)
