"""
The access log: one line for every transaction and tunnel, also the refused and the broken ones.

What a line says is L{gateway.record.formats}' affair, how it gets into the file L{gateway.record.lines}'.
"""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.api.transaction import Transaction
from gateway.record.formats import compile_format
from gateway.record.lines import LineFile


class AccessLog:
    """
    The log's one writer.

    @ivar file: where the lines go; its numbers are for the metrics.
    @ivar count: lines made since the start.
    """

    _log = Logger()

    def __init__(
        self,
        path: str,
        format: str,
        mask: Collection[str],
        clock: IReactorTime,
        *,
        mask_key: bytes | None = None,
    ) -> None:
        """
        Compile the format; nothing is opened before L{start}.

        @param path: C{"-"} is the standard output.
        @param format: as for L{compile_format<gateway.record.formats.compile_format>}, and so are C{mask} and C{mask_key}.
        @raise ValueError: the format or the mask is at fault.
        """
        self.file = LineFile(path, clock)
        self.count = 0
        self._format = compile_format(format, mask, mask_key)
        self._write = self.file.write

    def write(self, txn: Transaction) -> None:
        """
        Write the line of a transaction that has ended; it is read now and not kept.

        Never raises: a fault of ours in making the line is logged, and the line is lost and counted.
        """
        try:
            write = self._write
            make = self._format
            write(make(txn))
            self.count += 1
        except Exception:
            self.file.dropped += 1
            self._log.failure("no line could be made for {txn}", txn=txn.id)

    def write_all(self, ended: list[Transaction]) -> None:
        """Write the lines of several; see L{write}."""
        try:
            lines = list(map(self._format, ended))
        except Exception:
            # Nothing of it is written yet, and the fault is one line's.
            for txn in ended:
                self.write(txn)
            return
        self.file.write_all(lines)
        self.count += len(lines)

    def start(self) -> None:
        """Open the file."""
        self.file.start()

    def stop(self) -> None:
        """Write what waits and close the file."""
        self.file.stop()

    def reopen(self) -> None:
        """Go on in a new file of the same path, after a rotation."""
        self.file.reopen()
