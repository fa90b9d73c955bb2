"""
A mail server for live tests, as a program of its own: aiosmtpd, with what real servers do wrong.

Each mail that it takes becomes a file F{N.eml} in its folder, with what it knows of the session in F{N.json}. Started with one
argument, JSON: C{port}, C{folder}, C{mode}, C{security} (C{starttls}, C{tls}, C{none}), C{pem}, C{user}, C{password}.

Modes: C{fine}; C{tempfail} and C{reject} answer 451 and 550 to every RCPT; C{hang} never answers DATA; C{silent} takes the mail and never
says so; C{drop} breaks the connection in the middle of a mail; C{repeat} refuses every password by repeating what it was sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LONG = 3600.0


class Sink:
    """Judges receivers and stores mails."""

    def __init__(self, folder: Path, mode: str) -> None:
        self._folder = folder
        self._mode = mode
        self._count = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer to RCPT."""
        if self._mode == "tempfail":
            return "451 4.3.0 try later"
        if self._mode == "reject":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Store a mail."""
        self._count += 1
        known = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "hello": session.host_name,
            "tls": server.transport is not None
            and server.transport.get_extra_info("ssl_object") is not None,
            "user": session.authenticated,
        }
        (self._folder / f"{self._count}.json").write_text(json.dumps(known))
        part = self._folder / f"{self._count}.part"
        part.write_bytes(envelope.original_content or b"")
        os.rename(part, self._folder / f"{self._count}.eml")
        if self._mode == "silent":
            await asyncio.sleep(LONG)
        return "250 2.0.0 stored"


class Server(SMTP):
    """Speaks SMTP, up to where its mode has it stop."""

    mode = "fine"

    async def smtp_DATA(self, arg: str) -> None:
        """Take a mail, or do not."""
        if self.mode == "hang":
            await asyncio.sleep(LONG)
        elif self.mode == "drop":
            await self.push("354 go on")
            await self._reader.read(1)
            transport: Any = self.transport
            transport.abort()
        else:
            await super().smtp_DATA(arg)


async def serve(said: dict[str, Any]) -> None:
    """Serve until the program is ended."""
    context = None
    if said["pem"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(said["pem"])

    def judge(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        sent = (login.login.decode(), login.password.decode())
        if said["mode"] == "repeat":
            return AuthResult(
                success=False, handled=False, message=f"535 5.7.8 {sent[0]} {sent[1]} is wrong"
            )
        return AuthResult(success=sent == (said["user"], said["password"]), handled=False)

    def one() -> Server:
        server = Server(
            sink,
            hostname="mail.example.com",
            tls_context=context if said["security"] == "starttls" else None,
            require_starttls=said["security"] == "starttls",
            authenticator=judge,
            auth_required=bool(said["user"]),
            auth_require_tls=said["security"] == "starttls",
        )
        server.mode = said["mode"]
        return server

    sink = Sink(Path(said["folder"]), said["mode"])
    listening = await asyncio.get_running_loop().create_server(
        one, "127.0.0.1", said["port"], ssl=context if said["security"] == "tls" else None
    )
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
