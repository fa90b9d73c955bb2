"""A command's test with a gateway at the other end of the socket that gives one answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.admin.control import address
from gateway.cli.main import main


class AnsweredCase(SynchronousTestCase):
    """
    What such tests share.

    @ivar orders: those that were given.
    @ivar config: names the gateway of this test alone.
    """

    def setUp(self) -> None:
        self.orders: list[Mapping[str, Any]] = []
        # A file of this test's alone, so that no other gateway of this machine is asked.
        self.config = str(Path(self.mktemp()).absolute())
        Path(self.config).write_text("")

    def answered(
        self,
        arguments: list[str],
        answer: Mapping[str, Any] | Callable[[Mapping[str, Any]], object],
        code: int = 0,
    ) -> tuple[str, str]:
        """Run a command, answer its order with this, or what this makes of it, and give what it wrote."""
        out, err = StringIO(), StringIO()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
            listening.bind(address(self.config))
            listening.listen(1)
            listening.settimeout(10)
            serving = threading.Thread(target=self._serve, args=(listening, answer), daemon=True)
            serving.start()
            found = main([*arguments, "--config", self.config], out, err)
            serving.join(10)
        self.assertEqual(found, code, err.getvalue())
        return out.getvalue(), err.getvalue()

    def _serve(self, listening: socket.socket, answer: object) -> None:
        """Take one order and answer."""
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            said = json.loads(lines.readline())
            self.orders.append(said)
            given = answer(said) if callable(answer) else answer
            connection.sendall(json.dumps(given).encode() + b"\n")
