"""
A mail server in a process of its own (L{tests.live.mail_sink}), and how its mails are read.
"""

from __future__ import annotations

import email
import email.policy
import json
import sys
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import Program, free_port, made_folder, until
from tests.live.tls_peers import roots_in, written
from tests.unit.net.certificates import authority, issue

USER = "gateway@example.com"
PASSWORD = "Xyzzy-hunter2-and-more"


class MailServer:
    """
    A running server.

    @ivar port: where it listens, on loopback.
    @ivar trust: PEM file of who certified it.
    @ivar folder: where its mails are.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        mode: str = "fine",
        *,
        security: str = "starttls",
        has_login: bool = True,
        name: str = "localhost",
        port: int = 0,
    ) -> None:
        """
        Start it.

        @param mode: what it does wrong, see L{tests.live.mail_sink}.
        @param has_login: it wants L{USER} and L{PASSWORD}.
        @param name: whom its certificate is for.
        @param port: a free one if 0.
        """
        self.folder = made_folder(test)
        self.port = port or free_port()
        root = authority("Authority of mail")
        made = issue(name, root, [name])
        self.trust = roots_in(self.folder, root)
        said = {
            "port": self.port,
            "folder": str(self.folder),
            "mode": mode,
            "security": security,
            "pem": str(written(self.folder, made)) if security != "none" else "",
            "user": USER if has_login else "",
            "password": PASSWORD if has_login else "",
        }
        script = str(Path(__file__).with_name("mail_sink.py"))
        self.program = Program(
            test, [sys.executable, "-W", "ignore", script, json.dumps(said)], folder=self.folder
        )
        self.program.says("listening")

    def stop(self) -> None:
        """End it."""
        self.program.stop()

    @property
    def raw(self) -> list[bytes]:
        """The mails that it took, as they came."""
        files = sorted(self.folder.glob("*.eml"), key=lambda file: int(file.stem))
        return [file.read_bytes() for file in files]

    def mails(self, count: int = 1, seconds: float = 20.0) -> list[Any]:
        """Wait until it has so many mails, and give all of them, read."""
        until(lambda: len(self.raw) >= count, seconds, f"mail {count}")
        return [read(one) for one in self.raw]

    def known(self, number: int) -> dict[str, Any]:
        """Give what it knows of the session in which a mail came; the first is 1."""
        found: dict[str, Any] = json.loads((self.folder / f"{number}.json").read_text())
        return found


def read(raw: bytes) -> EmailMessage:
    """
    Read a mail.

    @raise AssertionError: it is not in order.
    """
    found = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(found, EmailMessage)
    for part in found.walk():
        assert part.defects == [], part.defects
    return found
