"""
The lines of the access log: C{squid}, C{combined}, C{json}; C{custom} is in L{gateway.record.directives}.

Each maker runs once for every transaction on the data path, so it is one f-string of pieces that are memoised or
nearly free. What a line holds is documented in C{docs/access-log.md}, which a test compares with this file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from gateway.api.transaction import ClientTls, Delivered, Transaction
from gateway.record.columns import Columns
from gateway.record.connection_tls import json_texts
from gateway.record.directives import compile_custom
from gateway.record.escape import Memo, json_bytes, json_string, quoted
from gateway.record.outcomes import hierarchy, outcome_name, plain_result, reason, squid_result
from gateway.wire.events import ResponseHead

#: Makes the line of one transaction, with its line feed: printable ASCII otherwise.
Format: TypeAlias = Callable[[Transaction], str]

# Looked up, for a width in an f-string costs more than all else of its field.
_PADDED = [f"{number:6d}" for number in range(1000)]
_THREE = [f"{number:03d}" for number in range(1000)]
#: Of what was answered here.
_NO_MARKS = ',"timings":{"resolve":null,"connect":null,"first_byte":null,"total":'
_NO_TLS = ',"tls":null'
_NO_NOTES = ',"notes":{}}\n'


def compile_format(text: str, mask: Collection[str] = (), key: bytes | None = None) -> Format:
    """
    Make the maker for a value of C{log.access.format}.

    @param text: C{squid}, C{combined}, C{json} or C{custom} and a format string after one space.
    @param mask: as for L{Columns<gateway.record.columns.Columns>}, and so is C{key}.
    @raise ValueError: there is no such format, directive or mask; it says what and where.
    """
    columns = Columns(mask, key)
    if text == "squid":
        return _squid(columns)
    if text == "combined":
        return _combined(columns)
    if text == "json":
        return _json(columns)
    kind, _, directives = text.partition(" ")
    if kind == "custom" and directives.strip():
        return compile_custom(directives, columns)
    raise ValueError(f"{text!r} is not squid, combined, json or 'custom %...'")


def _squid(columns: Columns) -> Format:
    """Squid's native format: C{%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt}."""
    names = columns.names
    methods = columns.methods
    url = columns.url
    media_type = columns.media_type

    def ending(key: tuple[type, int, str, str, str]) -> tuple[str, str]:
        outcome, status, mode, route, upstream = key
        result = plain_result(outcome, route)
        went = f"{hierarchy(mode, route)}/{columns.hosts[upstream]}" if upstream else "HIER_NONE/-"
        return (f"{result}/{_THREE[status]}" if result else "", went)

    # One look-up for both.
    endings: Memo[tuple[type, int, str, str, str], tuple[str, str]] = Memo(ending)
    second = 0.0
    seconds = "0."

    def line(txn: Transaction) -> str:
        nonlocal second, seconds
        timings = txn.timings
        spent = timings.ended - timings.begun
        if spent < 0.0:
            spent = 0.0
        ended = timings.wall + spent
        since = ended - second
        if not 0.0 <= since < 1.0:
            whole = int(ended)
            second = float(whole)
            seconds = f"{whole}."
            since = ended - second
        if spent < 0.001:
            ms = "     0"
        elif spent < 1.0:
            ms = _PADDED[int(spent * 1000.0)]
        else:
            ms = str(int(spent * 1000.0)).rjust(6)
        request = txn.request
        client = txn.client
        response = txn.response
        if response is None:
            media = "-"
        elif response.__class__ is ResponseHead:
            # Most responses know it already.
            media = response.section.media_type or media_type(txn)
        else:
            logged = response.logged_type
            media = (
                logged[1]
                if logged is not None and logged[0] is response.fields.lines
                else media_type(txn)
            )
        result, went = endings[
            txn.outcome.__class__, txn.status, client.mode, txn.route, txn.upstream
        ]
        return (
            f"{seconds}{_THREE[int(since * 1000.0)]} {ms} {names[client.address]} "
            f"{result or f'{squid_result(txn)}/{_THREE[txn.status]}'} {txn.bytes_out} "
            f"{methods[request.raw_method]} {url(request)} "
            f"{'-' if txn.identity is None else columns.user(txn)} {went} {media}\n"
        )

    return line


def _combined(columns: Columns) -> Format:
    """The combined log format of web servers; the first line of a forwarded request has the absolute URI."""
    names = columns.names
    methods = columns.methods
    values: Memo[bytes, str] = Memo(quoted)
    user = columns.user

    def line(txn: Transaction) -> str:
        request = txn.request
        target = columns.request_target(txn)
        agent, referer = columns.agent_and_referer(request)
        return (
            f"{names[txn.client.address]} - {'-' if txn.identity is None else user(txn)} "
            f"[{columns.apache_time(txn.timings.wall)}] "
            f'"{methods[request.raw_method]} {target} HTTP/1.{request.minor}" '
            f"{_THREE[txn.status]} {columns.content_out(txn) or '-'} "
            f'"{values[referer]}" "{values[agent]}"\n'
        )

    return line


def _json(columns: Columns) -> Format:
    """One JSON object, with every key on every line; L{gateway.record.schema.Line} describes it."""
    names = columns.json_names
    methods = columns.methods
    values: Memo[bytes, str] = Memo(_json_value)
    tls_json = json_texts(names)

    def tls_text(tls: ClientTls) -> str:
        return f',"tls":{tls_json(tls)}'

    def asked(key: tuple[str, str, bytes]) -> str:
        mode, site, method = key
        word = _null_or(methods[method])
        return f',"mode":{names[mode]},"site":{names[site]},"method":{word},"url":"'

    def went(key: tuple[str, str]) -> str:
        upstream, route = key
        return f'}},"upstream":{names[upstream]},"route":{names[route]}'

    def delivered(key: tuple[str, str, str]) -> str:
        upstream, route, media = key
        return (
            f'{ways[upstream, route]},"outcome":"delivered","reason":null,"detail":null,'
            f'"media_type":{_null_or(media)},"referer":'
        )

    # One look-up for what is much the same for all that comes to a site, and one for what becomes of it; and the pieces are not
    # more than 30, or CPython makes a list of them first.
    asking: Memo[tuple[str, str, bytes], str] = Memo(asked)
    ways: Memo[tuple[str, str], str] = Memo(went)
    deliveries: Memo[tuple[str, str, str], str] = Memo(delivered)

    def line(txn: Transaction) -> str:
        timings = txn.timings
        stamp = int(timings.wall * 1000.0 + 0.5)
        begun = timings.begun
        spent = int((timings.ended - begun) * 1000000.0 + 0.5)
        # Most of what is over at once takes less than a millisecond, and a number with a fraction is slow to write.
        total = f"0.{_THREE[spent]}" if 0 <= spent < 1000 else f"{max(0, spent) / 1000.0:.3f}"
        # Never the same twice, so no memo.
        id = txn.id
        name = f'"{id}"' if id.isalnum() and id.isascii() else json_string(id)
        request = txn.request
        client = txn.client
        tls = client.tls
        user = "null" if txn.identity is None else f'"{columns.user(txn)}"'
        media = columns.media_type(txn)
        agent, referer = columns.agent_and_referer(request)
        if txn.outcome.__class__ is Delivered:
            ending = deliveries[txn.upstream, txn.route, media]
        else:
            token, detail = reason(txn)
            ending = (
                f'{ways[txn.upstream, txn.route]},"outcome":"{outcome_name(txn)}",'
                f'"reason":{names[token]},"detail":{json_string(detail) if detail else "null"},'
                f'"media_type":{_null_or(media)},"referer":'
            )
        if timings.first_byte or timings.connected or timings.resolved:
            resolved = timings.resolved
            connected = timings.connected
            first_byte = timings.first_byte
            marks = (
                f',"timings":{{"resolve":{_mark(resolved, begun) if resolved else "null"},'
                f'"connect":{_mark(connected, begun) if connected else "null"},'
                f'"first_byte":{_mark(first_byte, begun) if first_byte else "null"},"total":'
            )
        else:
            marks = _NO_MARKS
        # What columns gives is free of quotes and backslashes, so it needs no second escape.
        return (
            f'{{"time":"{columns.iso_time(stamp // 1000)}.{_THREE[stamp % 1000]}Z",'
            f'"id":{name},"client":{names[client.address]},"client_port":{client.port},'
            f'"user":{user}{asking[client.mode, txn.site, request.raw_method]}{columns.url(request)}",'
            f'"status":{txn.status},"bytes_in":{txn.bytes_in},"bytes_out":{txn.bytes_out},'
            f'"duration":{total}{marks}{total}{ending}{values[referer]},'
            f'"user_agent":{values[agent]}'
            f"{_NO_TLS if tls is None else tls_text(tls)}"
            f"{_NOTES[tuple(txn.notes.items())] if txn.has_notes else _NO_NOTES}"
        )

    return line


def _null_or(column: str) -> str:
    """Give a column as a JSON string, C{null} for the dash that stands for nothing."""
    return "null" if column == "-" else f'"{column}"'


def _json_value(raw: bytes) -> str:
    return json_bytes(raw) if raw else "null"


def _mark(moment: float, begun: float) -> str:
    return f"{(moment - begun) * 1000.0:.3f}" if moment > begun else "0.000"


def _notes(notes: tuple[tuple[str, str], ...]) -> str:
    inner = ",".join([f"{_NOTED[name]}:{_NOTED[text]}" for name, text in notes])
    return f',"notes":{{{inner}}}}}\n'


#: Nearly all notes are a few words of ours, again and again, and mostly the same ones together.
_NOTED: Memo[str, str] = Memo(json_string)
_NOTES: Memo[tuple[tuple[str, str], ...], str] = Memo(_notes)
