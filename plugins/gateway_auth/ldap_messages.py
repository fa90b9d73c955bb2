"""
The messages of LDAP that a gateway sends and reads: binds, searches and StartTLS, with their answers (RFC 4511 section 4).

Strict where it matters who said what, and open where the protocol wants it: what stands at the end of a sequence and is not known is
passed over (section 4). Depth is that of this code; sizes and numbers are bounded. Knows nothing of connections.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, TypeAlias

from gateway_auth.ldap_ber import (
    BOOLEAN,
    ENUMERATED,
    INTEGER,
    OCTETS,
    SEQUENCE,
    SET,
    BadMessage,
    element,
    expect,
    integer,
    read,
    whole_number,
)

#: Values in one entry; attributes count too.
MAX_VALUES = 100_000
#: The largest number of a message; after it comes 1 (section 4.1.1.1).
MAX_NUMBER = 2**31 - 1

Scope: TypeAlias = Literal["base", "subtree"]

BIND_ANSWER, SEARCH_DONE, EXTENDED_ANSWER = 0x61, 0x65, 0x78
_BIND, _UNBIND, _SEARCH, _EXTENDED = 0x60, 0x42, 0x63, 0x77
_ENTRY, _REFERENCE = 0x64, 0x73
_CONTROLS, _SIMPLE, _REQUEST_NAME = 0xA0, 0x80, 0x80

_VERSION = integer(3)
_START_TLS = b"1.3.6.1.4.1.1466.20037"
_MATCHED_VALUES = b"1.2.826.0.1.3344810.2.3"
_CRITICAL = element(BOOLEAN, b"\xff")
_SCOPES: Mapping[Scope, int] = {"base": 0, "subtree": 2}
#: C{derefAlways}: an alias stands for what it names.
_DEREFERENCE = integer(3, ENUMERATED)
#: No limit of time, values too, not types alone.
_TIME_AND_TYPES = integer(0) + element(BOOLEAN, b"\x00")
_NO_ATTRIBUTES = ("1.1",)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What was found.

    @ivar dn: its distinguished name.
    @ivar attributes: values by name in lower case.
    """

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def texts(self, attribute: str) -> list[str]:
        """Give the values of an attribute that are text."""
        values = self.attributes.get(attribute.lower())
        if values is None:
            return []
        try:
            return [value.decode("utf-8") for value in values]
        except UnicodeDecodeError:
            pass
        found = []
        for value in values:
            with contextlib.suppress(UnicodeDecodeError):
                found.append(value.decode("utf-8"))
        return found


@dataclass(frozen=True, slots=True)
class Result:
    """
    How something ended (section 4.1.9).

    @ivar kind: of what: L{BIND_ANSWER}, L{SEARCH_DONE} or L{EXTENDED_ANSWER}.
    @ivar code: the result code.
    @ivar message: the server's text.
    @ivar controls: values by object identifier, of those that have one.
    """

    kind: int
    code: int
    message: str = ""
    controls: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))


#: What follows the kind of a result that is success and says nothing else, as most do, where lengths are written as short as can be.
_PLAIN_SUCCESS = b"\x07\x0a\x01\x00\x04\x00\x04\x00"
_SUCCESS = {kind: Result(kind, 0) for kind in (BIND_ANSWER, SEARCH_DONE, EXTENDED_ANSWER)}


#: Names of attributes as they were written, and how long and how many of them are remembered: servers choose them.
_attributes: dict[bytes, str] = {}
_LONGEST_KNOWN, _MOST_KNOWN = 64, 256


@dataclass(frozen=True, slots=True)
class Reference:
    """Other servers may know more; nobody asks them."""


def bind_request(name: str, password: bytes, controls: Sequence[str] = ()) -> bytes:
    """
    Write what authenticates by a password (section 4.2), but for the message's number.

    @param controls: object identifiers of controls without a value that may be passed over.
    """
    user = name.encode("utf-8")
    size = len(_VERSION) + 4 + len(user) + len(password)
    if size < 0x80:
        # As nearly all are: all lengths are short.
        made = b"%c%c%b%c%c%b%c%c%b" % (
            _BIND, size, _VERSION, OCTETS, len(user), user, _SIMPLE, len(password), password
        )  # fmt: skip
    else:
        made = element(_BIND, _VERSION + element(OCTETS, user) + element(_SIMPLE, password))
    return made + _without_values(tuple(controls)) if controls else made


@lru_cache(maxsize=16)
def _without_values(controls: tuple[str, ...]) -> bytes:
    """Write controls; the same few are asked for again and again."""
    wanted = [element(SEQUENCE, element(OCTETS, one.encode("ascii"))) for one in controls]
    return element(_CONTROLS, b"".join(wanted))


def search_request(
    base: str, scope: Scope, filter: bytes, attributes: Sequence[str], limit: int
) -> bytes:
    """
    Write what finds entries (section 4.5.1), but for the message's number.

    @param filter: as servers read it.
    @param attributes: those that are wanted of each entry; none are none.
    """
    wanted = [element(OCTETS, one.encode("ascii")) for one in attributes or _NO_ATTRIBUTES]
    return element(
        _SEARCH,
        element(OCTETS, base.encode("utf-8"))
        + integer(_SCOPES[scope], ENUMERATED)
        + _DEREFERENCE
        + integer(limit)
        + _TIME_AND_TYPES
        + filter
        + element(SEQUENCE, b"".join(wanted)),
    )


def matched_values(filters: Sequence[bytes]) -> bytes:
    """
    Write the control by which a search gives only those values of entries that match any of some filters (RFC 3876).

    It is critical: who can't do that shall refuse the search, and not give all.

    @param filters: as servers read them.
    """
    value = element(SEQUENCE, b"".join(filters))
    control = element(OCTETS, _MATCHED_VALUES) + _CRITICAL + element(OCTETS, value)
    return element(_CONTROLS, element(SEQUENCE, control))


def start_tls_request() -> bytes:
    """Write what asks for TLS (section 4.14), but for the message's number."""
    return element(_EXTENDED, element(_REQUEST_NAME, _START_TLS))


def unbind_request() -> bytes:
    """Write the goodbye (section 4.3), but for the message's number."""
    return element(_UNBIND, b"")


def message(number: int, request: bytes) -> bytes:
    """
    Give a request its number.

    @param number: 1 to L{MAX_NUMBER}.
    """
    digits = number.to_bytes(number.bit_length() // 8 + 1, "big")
    size = 2 + len(digits) + len(request)
    if size < 0x80:
        return b"%c%c%c%c%b%b" % (SEQUENCE, size, INTEGER, len(digits), digits, request)
    return element(SEQUENCE, integer(number) + request)


def read_message(data: bytes) -> tuple[int, Entry | Reference | Result]:
    """
    Read one message of a server.

    @param data: it, whole and alone.
    @return: the number of what it answers, 0 if it answers nothing; and what it says.
    @raise BadMessage: it is none, or none of those that were asked for.
    """
    size = len(data)
    if 7 <= size < 0x82 and data[1] == size - 2 and data[0] == SEQUENCE and data[2] == INTEGER:
        # As most are: all lengths are short, and nothing follows what is said.
        at = 4 + data[3]
        if at + 2 <= size and data[at + 1] == size - at - 2:
            kind = data[at]
            if kind == _ENTRY:
                return whole_number(data, 4, at), _entry(data, at + 2, size)
            if kind in _SUCCESS and data[at + 1 :] == _PLAIN_SUCCESS:
                return whole_number(data, 4, at), _SUCCESS[kind]
    at, end = expect(data, 0, size, SEQUENCE)
    if end != size:
        raise BadMessage("something follows a message")
    begin, at = expect(data, at, end, INTEGER)
    number = whole_number(data, begin, at)
    kind, begin, stop = read(data, at, end)
    if kind == _ENTRY:
        return number, _entry(data, begin, stop)
    if kind == _REFERENCE:
        return number, Reference()
    if kind in (BIND_ANSWER, SEARCH_DONE, EXTENDED_ANSWER):
        return number, _result(kind, data, begin, stop, end)
    raise BadMessage("a message is of no kind that was asked for")


def _entry(data: bytes, at: int, end: int) -> Entry:
    begin, at = expect(data, at, end, OCTETS)
    dn = _text(data, begin, at)
    at, end = expect(data, at, end, SEQUENCE)
    found: dict[str, list[bytes]] = {}
    count = 0
    while at < end:
        # As nearly all attributes are: all lengths are short, and so everything is where it has to be.
        stop = at + 2 + data[at + 1] if at + 4 <= end else 0
        if (
            0 < stop <= end
            and data[at] == SEQUENCE
            and data[at + 1] < 0x80
            and data[at + 2] == OCTETS
            and (inner := at + 6 + data[at + 3]) <= stop
            and data[at + 3] < 0x80
            and data[inner - 2] == SET
            and data[inner - 1] < 0x80
            and inner + data[inner - 1] <= stop
        ):
            name = _attribute(data[at + 4 : inner - 2])
            at, stop = stop, inner + data[inner - 1]
        else:
            inner, at = expect(data, at, end, SEQUENCE)
            begin, stop = expect(data, inner, at, OCTETS)
            name = _attribute(data[begin:stop])
            inner, stop = expect(data, stop, at, SET)
        values = found.setdefault(name, [])
        count -= len(values)
        while inner < stop:
            begin = inner + 2
            if (
                begin <= stop
                and data[inner] == OCTETS
                and data[inner + 1] < 0x80
                and begin + data[inner + 1] <= stop
            ):
                inner = begin + data[inner + 1]
            else:
                begin, inner = expect(data, inner, stop, OCTETS)
            values.append(data[begin:inner])
        count += len(values) + 1
        if count > MAX_VALUES:
            raise BadMessage("an entry has too many values")
    return Entry(dn, {name: tuple(values) for name, values in found.items()})


def _attribute(name: bytes) -> str:
    """Give an attribute's name in lower case; there are few, and those are remembered."""
    known = _attributes.get(name)
    if known is None:
        known = _text(name, 0, len(name)).lower()
        if len(name) <= _LONGEST_KNOWN:
            if len(_attributes) >= _MOST_KNOWN:
                _attributes.clear()
            _attributes[name] = known
    return known


def _result(kind: int, data: bytes, at: int, stop: int, end: int) -> Result:
    """Read an C{LDAPResult}, and the controls that follow it in its message."""
    begin, at = expect(data, at, stop, ENUMERATED)
    code = whole_number(data, begin, at)
    _, at = expect(data, at, stop, OCTETS)
    begin, at = expect(data, at, stop, OCTETS)
    # Some write it in another alphabet; it is for the log alone.
    text = data[begin:at].decode("utf-8", "replace")
    while at < stop:
        # A referral, credentials of SASL, an extended answer's name and value.
        _, _, at = read(data, at, stop)
    controls: Mapping[str, bytes] = {}
    while stop < end:
        tag, begin, stop = read(data, stop, end)
        if tag == _CONTROLS:
            controls = _read_controls(data, begin, stop)
    return Result(kind, code, text, controls)


def _read_controls(data: bytes, at: int, end: int) -> Mapping[str, bytes]:
    controls = {}
    while at < end:
        inner, at = expect(data, at, end, SEQUENCE)
        begin, inner = expect(data, inner, at, OCTETS)
        name = _text(data, begin, inner)
        while inner < at:
            tag, begin, inner = read(data, inner, at)
            if tag == OCTETS:
                controls[name] = data[begin:inner]
    return controls


def _text(data: bytes, begin: int, end: int) -> str:
    try:
        return data[begin:end].decode("utf-8")
    except UnicodeDecodeError:
        raise BadMessage("a name is no text") from None
