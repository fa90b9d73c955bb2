"""
The child process: compiles rules and scans with them, as a socket asks it to.

It is run as a script and imports nothing of the gateway. A message is two lengths, words as JSON, data, and at most one file;
the other side reads and writes it by the same functions (L{send}, L{receive}).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any

_LENGTHS = struct.Struct(">II")
#: Longest words, and longest data, of a message.
MAX_WORDS = 16 << 20
MAX_DATA = 1 << 30

#: What rules may ask for beside the content. It follows from the content, or stands beside its digest where verdicts are kept.
VARIABLES = ("extension", "media_type", "member")
#: Likewise, but verdicts that follow from it hold for one address only.
BY_ADDRESS = ("filename", "filepath", "url")


def send(to: socket.socket, words: Mapping[str, Any], data: bytes = b"", file: int = -1) -> None:
    """
    Send a message.

    @param file: a descriptor to go with it; stays the caller's.
    @raise OSError: the other side is gone, or the socket's time is over.
    """
    written = json.dumps(words).encode()
    head = _LENGTHS.pack(len(written), len(data)) + written
    sent = socket.send_fds(to, [head], [file] if file >= 0 else [])
    to.sendall(head[sent:])
    if data:
        to.sendall(data)


def receive(to: socket.socket) -> tuple[dict[str, Any], bytes, int]:
    """
    Take a message: words, data, and a descriptor that is the caller's to close; -1: none.

    @raise EOFError: the other side is gone.
    @raise OSError: likewise, or the socket's time is over.
    @raise ValueError: it is no message.
    """
    begin, files, _, _ = socket.recv_fds(to, _LENGTHS.size, 1)
    file = files[0] if files else -1
    try:
        lengths = begin + _exactly(to, _LENGTHS.size - len(begin))
        for_words, for_data = _LENGTHS.unpack(lengths)
        if for_words > MAX_WORDS or for_data > MAX_DATA:
            raise ValueError("the message is too long")
        words = json.loads(_exactly(to, for_words))
        if not isinstance(words, dict):
            raise ValueError("the message has no words")
        return words, _exactly(to, for_data), file
    except BaseException:
        if file >= 0:
            os.close(file)
        raise


def _exactly(to: socket.socket, count: int) -> bytes:
    if not count:
        return b""
    found = bytearray()
    while len(found) < count:
        part = to.recv(min(count - len(found), 1 << 20))
        if not part:
            raise EOFError("the other side is gone")
        found += part
    return bytes(found)


class Child:
    """What the process has: rules, once they were loaded."""

    def __init__(self) -> None:
        self._rules: Any = None
        self._scanner: Any = None

    def answer(
        self, words: Mapping[str, Any], data: bytes, file: int
    ) -> tuple[Mapping[str, Any], int]:
        """Do what is asked; gives words, and a descriptor that the caller closes, or -1."""
        match words["ask"]:
            case "compile":
                return self._compile(words["files"], data)
            case "load":
                return self._load(file), -1
            case _:
                return self._scan(words, data, file), -1

    def _compile(self, files: list[tuple[str, int]], data: bytes) -> tuple[Mapping[str, Any], int]:
        """Compile each file in a namespace of its own; what has a fault is named and left out."""
        import yara_x

        variables = list(VARIABLES)
        left_out: dict[str, dict[str, Any]] = {}
        while True:
            compiler = yara_x.Compiler()
            compiler.enable_includes(False)
            compiler.max_warnings(1)
            for name in variables:
                compiler.define_global(name, "")
            at = 0
            again = False
            for name, size in files:
                source = data[at : at + size]
                at += size
                if name in left_out:
                    continue
                fault, wanted = _added(compiler, name, source, variables)
                if wanted:
                    variables.append(wanted)
                    again = True
                    break
                if fault is not None:
                    # Whether anything of it stays behind is the library's own matter: it is begun anew without it.
                    left_out[name] = fault
                    again = True
            if not again:
                break
        rules = compiler.build()
        stored = os.memfd_create("rules")
        with os.fdopen(os.dup(stored), "wb") as to:
            rules.serialize_into(to)
        taken = len(files) - len(left_out)
        faults = list(left_out.values())
        told = {"files": taken, "faults": faults, "variables": variables}
        return told, stored

    def _load(self, file: int) -> Mapping[str, Any]:
        import yara_x

        os.lseek(file, 0, os.SEEK_SET)
        with os.fdopen(os.dup(file), "rb") as stored:
            self._rules = yara_x.Rules.deserialize_from(BytesIO(stored.read()))
        self._scanner = None
        return {}

    def _scan(self, words: Mapping[str, Any], data: bytes, file: int) -> Mapping[str, Any]:
        import yara_x

        scanner, self._scanner = self._scanner, None
        if scanner is None:
            scanner = yara_x.Scanner(self._rules)
            scanner.fast_scan(True)
        scanner.set_timeout(words["seconds"])
        for name, value in words["variables"].items():
            scanner.set_global(name, value)
        try:
            path = f"/proc/self/fd/{file}"
            found = scanner.scan_file(path) if file >= 0 else scanner.scan(data)
        except yara_x.TimeoutError:
            return {"failed": "timeout"}
        except yara_x.ScanError as error:
            return {"failed": "error", "why": str(error)[:300]}
        # One that failed is not used again.
        self._scanner = scanner
        matches = []
        for rule in found.matching_rules[:100]:
            metadata = {
                key.lower(): value
                for key, value in rule.metadata
                if key.lower() in ("action", "severity") and isinstance(value, str)
            }
            matches.append([rule.identifier, list(rule.tags)[:20], metadata])
        return {"found": matches}


def _added(
    compiler: Any, name: str, source: bytes, variables: list[str]
) -> tuple[dict[str, Any] | None, str]:
    """Add a file; gives its first fault, or a variable that it wants."""
    import yara_x

    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        return {"file": name, "line": line, "what": "it is not UTF-8"}, ""
    before = len(compiler.errors())
    compiler.new_namespace(name)
    try:
        compiler.add_source(text, origin=name)
    except yara_x.CompileError as error:
        faults = compiler.errors()[before:]
        for fault in faults:
            for wanted in BY_ADDRESS:
                if wanted not in variables and fault["title"] == f"unknown identifier `{wanted}`":
                    return None, wanted
        first = faults[0] if faults else {}
        what = str(first.get("title") or error)[:300]
        return {"file": name, "line": first.get("line") or 0, "what": what}, ""
    return None, ""


def main(fd: int, memory: int, folder: str) -> None:
    """
    Work until the other side is gone.

    @param fd: the socket.
    @param memory: bytes of data the process may have.
    @param folder: where YARA-X is installed.
    """
    import resource

    sys.path.append(folder)
    for which, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_DATA, memory),
    ):
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))
    child = Child()
    with socket.socket(fileno=fd) as to, suppress(EOFError, OSError, ValueError):
        while True:
            words, data, file = receive(to)
            given = -1
            try:
                answer, given = child.answer(words, data, file)
                send(to, answer, file=given)
            finally:
                for one in (file, given):
                    if one >= 0:
                        os.close(one)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
