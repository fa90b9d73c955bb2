"""
Read a tree of TOML values into a struct, and find every fault on the way.

Works on any frozen C{msgspec.Struct} or dataclass whose annotations say what is wanted, so that the settings of a
plugin are read, checked and explained exactly like those of the gateway. A value with a fault is replaced by its
default and reading goes on; whoever asked for the struct must look at the survey before using it.
"""

from __future__ import annotations

import dataclasses
import types
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)
from weakref import WeakKeyDictionary

import msgspec

from gateway.config.faults import BadValue, nearest
from gateway.config.kind import FAULTY, Faulty, Help, Hidden, Kind, Place, kind_name

T = TypeVar("T")

_MISSING: Final = object()

#: Weak, for a plugin's class goes when its code is read anew.
_fields: WeakKeyDictionary[type, tuple[Field, ...]] = WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One setting of a struct."""

    name: str
    """Of the attribute."""
    key: str
    """In the file; differs where the key is a word of Python."""
    hint: Any
    """The type, with Annotated taken off."""
    notes: tuple[object, ...]
    """What Annotated said."""
    default: object
    is_required: bool

    @property
    def kind(self) -> Kind | None:
        """How it is written, when its type alone does not say that."""
        return next((note for note in self.notes if isinstance(note, Kind)), None)

    @property
    def help(self) -> Help:
        """Its meaning; an empty text when nobody wrote one."""
        for note in self.notes:
            if isinstance(note, Help):
                return note
            if isinstance(note, msgspec.Meta) and note.description:
                return Help(note.description)
        return Help("")


def fields_of(struct: type) -> tuple[Field, ...]:
    """List the settings of a struct in the order of its definition, hidden ones left out."""
    if struct not in _fields:
        hints = get_type_hints(struct, include_extras=True)
        found = (
            Field(name, key, *split(hints[name]), default, default is _MISSING)
            for name, key, default in _declared(struct)
        )
        _fields[struct] = tuple(field for field in found if Hidden() not in field.notes)
    return _fields[struct]


def split(annotation: Any) -> tuple[Any, tuple[object, ...]]:
    """Take Annotated apart into the type and the notes."""
    if get_origin(annotation) is Annotated:
        hint, *notes = get_args(annotation)
        return hint, tuple(notes)
    return annotation, ()


def is_struct(hint: object) -> bool:
    """Tell whether a type is read as a table of settings."""
    return isinstance(hint, type) and (
        issubclass(hint, msgspec.Struct) or dataclasses.is_dataclass(hint)
    )


def read_table(struct: type[T], raw: object, place: Place) -> T | Faulty:
    """
    Read one table.

    A struct may have the class variables C{shorthand} (the key that a lone string stands for) and C{later} (keys that
    another version knows).
    """
    shorthand = getattr(struct, "shorthand", "")
    if shorthand and isinstance(raw, str):
        raw = {shorthand: raw}
    if not isinstance(raw, dict):
        return place.fault(
            f"expected a table, found {kind_name(raw)}", f"its keys: {', '.join(_keys(struct))}"
        )
    values: dict[str, object] = {}
    is_whole = True
    for field in fields_of(struct):
        value: object = FAULTY
        if field.key in raw:
            value = read(field.hint, field.notes, raw[field.key], place.child(field.key))
        elif field.is_required:
            place.child(field.key).fault("is missing", field.help.text)
        else:
            continue
        if value is not FAULTY:
            values[field.name] = value
        elif field.is_required:
            is_whole = False
        elif isinstance(field.default, tuple):
            values[field.name] = ()  # the default could clash with what was meant
    for key in raw:
        _check_key(struct, key, place)
    if not is_whole:
        return FAULTY
    try:
        return struct(**values)
    except (ValueError, TypeError) as error:  # a struct's own check of its values
        return place.fault(str(error))


def read(hint: Any, notes: tuple[object, ...], raw: object, place: Place) -> object:
    """Read one value; gives L{FAULTY} when faults were recorded."""
    for note in notes:
        if isinstance(note, Kind):
            try:
                return note.read(raw, place)
            except BadValue as error:
                return place.bad(error)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return read(args[0], (*args[1:], *notes), raw, place)
    if is_struct(hint):
        return read_table(hint, raw, place)
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        if len(inner) == 1:
            return read(inner[0], notes, raw, place)
    if origin is Literal:
        return _choice(args, raw, place)
    if origin in (tuple, list, frozenset, set) and (origin is not tuple or args[-1] is Ellipsis):
        values = read_array(args[0], raw, place)
        return values if isinstance(values, Faulty) else cast(Any, origin)(values)
    if origin is dict and args[0] is str:
        return _mapping(args[1], raw, place)
    return _plain(hint, notes, raw, place)


def read_array(element: Any, raw: object, place: Place) -> list[Any] | Faulty:
    """Read each element; those with a fault are left out."""
    if not isinstance(raw, list):
        return place.fault(f"expected an array, found {kind_name(raw)}", "put it into [ ]")
    hint, notes = split(element)
    values = (read(hint, notes, item, place.child(index)) for index, item in enumerate(raw))
    return [value for value in values if value is not FAULTY]


def _mapping(element: Any, raw: object, place: Place) -> dict[str, Any] | Faulty:
    if not isinstance(raw, dict):
        return place.fault(f"expected a table, found {kind_name(raw)}")
    hint, notes = split(element)
    values = {key: read(hint, notes, item, place.child(key)) for key, item in raw.items()}
    return {key: value for key, value in values.items() if value is not FAULTY}


def _choice(known: tuple[Any, ...], raw: object, place: Place) -> object:
    if raw in known and not isinstance(raw, bool):
        return raw
    names = [str(item) for item in known]
    shown = f'"{raw}"' if isinstance(raw, str) else kind_name(raw)
    near = nearest(raw, names) if isinstance(raw, str) else ""
    choices = "one of " + ", ".join(f'"{name}"' for name in names)
    return place.fault(
        f"{shown} is not known here", f'did you mean "{near}"? {choices}' if near else choices
    )


def _plain(hint: Any, notes: tuple[object, ...], raw: object, place: Place) -> object:
    """Read a bool, int, float, str or whatever else msgspec knows, with the bounds that a Meta gives."""
    expected = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a string",
    }.get(hint)
    if expected is not None:
        fits = isinstance(raw, (int, float) if hint is float else hint) and (
            hint is bool or not isinstance(raw, bool)
        )
        if not fits:
            return place.fault(f"expected {expected}, found {kind_name(raw)}")
    metas = tuple(note for note in notes if isinstance(note, msgspec.Meta))
    try:
        return msgspec.convert(raw, Annotated[(hint, *metas)] if metas else hint)
    except msgspec.ValidationError as error:
        return place.fault(str(error).replace("`", "").replace("Expected", "expected"))


def _check_key(struct: type, key: str, place: Place) -> None:
    known = _keys(struct)
    if key in known:
        return
    at = place.child(key)
    if key in getattr(struct, "later", ()):
        at.fault("not available in this version", "leave it out")
        return
    near = nearest(key, known)
    if near:
        at.fault("unknown key", f'did you mean "{near}"?')
    else:
        at.fault(
            "unknown key", f"known here: {', '.join(known)}" if known else "nothing can be set here"
        )


def _keys(struct: type) -> list[str]:
    return [field.key for field in fields_of(struct)]


def _declared(struct: type) -> list[tuple[str, str, object]]:
    """Name, key and default of each field, whichever library made the struct."""
    if issubclass(struct, msgspec.Struct):
        return [
            (
                item.name,
                item.encode_name,
                item.default
                if item.default is not msgspec.NODEFAULT
                else item.default_factory()
                if item.default_factory is not msgspec.NODEFAULT
                else _MISSING,
            )
            for item in msgspec.structs.fields(struct)
        ]
    if not dataclasses.is_dataclass(struct):
        return []  # a class without settings
    return [
        (
            item.name,
            item.name.rstrip("_"),
            item.default
            if item.default is not dataclasses.MISSING
            else item.default_factory()
            if item.default_factory is not dataclasses.MISSING
            else _MISSING,
        )
        for item in dataclasses.fields(struct)
        if item.init
    ]
