"""Tests of NTLM, with processes that tests script; C{ntlm_auth} itself is in C{tests.live.test_auth_ntlm}."""

from __future__ import annotations

import gc
import struct
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.api import Challenge, Identity
from gateway_auth.ntlm import Ntlm, NtlmSettings
from gateway_auth.ntlm_helpers import Helpers
from gateway_auth.ntlm_process import HelperFailed, Process
from gateway_auth.tests.handshaking import HandshakeTestCase, client, transaction
from gateway_auth.verifier import Refused, Unavailable

FIRST = b"NTLMSSP\0" + struct.pack("<I", 1) + bytes(20)
CHALLENGE = b64encode(b"NTLMSSP\0" + struct.pack("<I", 2) + bytes(20))


def third(user: str = "alice") -> bytes:
    """Make a third message, as far as it is looked at."""
    name = user.encode("utf-16-le")
    message = bytearray(b"NTLMSSP\0" + struct.pack("<I", 3) + bytes(60))
    message[36:38] = struct.pack("<H", len(name))
    return bytes(message) + name


class FakeProcess:
    """Answers as C{ntlm_auth} does for good credentials, or as a test says."""

    def __init__(self, all: Processes) -> None:
        self._all = all
        self.lines: list[bytes] = []
        self.gone = ""

    def start(self) -> None:
        """Start it, unless it can't be."""
        if self._all.broken:
            raise HelperFailed("cannot start it")

    def ask(self, line: bytes, seconds: float) -> bytes:
        """Answer."""
        self.lines.append(line)
        return self._all.answer(line)

    def kill(self) -> None:
        """End it."""
        self.gone = "killed"

    def close(self) -> None:
        """Bury it."""
        self.gone = "closed"


class Processes:
    """
    Makes processes.

    @ivar made: all of them.
    @ivar answer: what they answer.
    """

    def __init__(self) -> None:
        self.made: list[FakeProcess] = []
        self.broken = False
        self.third = b"AF EXAMPLE\\alice"
        self.answer: Callable[[bytes], bytes] = self._good

    def __call__(self, command: Sequence[str]) -> FakeProcess:
        """Make one."""
        self.made.append(FakeProcess(self))
        return self.made[-1]

    def _good(self, line: bytes) -> bytes:
        return b"TT " + CHALLENGE if line.startswith(b"YR ") else self.third


class NtlmTestCase(HandshakeTestCase):
    """A test with scripted processes."""

    def setUp(self) -> None:
        super().setUp()
        self.processes = Processes()
        self.settings = NtlmSettings(enabled=True, domain="EXAMPLE", helpers=2)
        self.ntlm = self.made()

    def made(self) -> Ntlm:
        """Make one."""
        helpers = Helpers(
            self.settings.helper,
            self.services,
            most=self.settings.helpers,
            timeout_seconds=self.settings.timeout,
            make=self.processes,
        )
        return Ntlm(self.settings, self.services, self.connections, helpers=helpers)


class StepTests(NtlmTestCase):
    """Three messages."""

    def test_good(self) -> None:
        """The first message is answered by the process's challenge, the third identifies the connection."""
        mine = client()
        asked = self.done(self.ntlm.step(transaction(mine), FIRST))
        self.assertEqual(asked, Challenge((f"NTLM {CHALLENGE.decode()}",)))
        self.assertIsNone(self.connections.identity(transaction(mine)))
        identity = self.done(self.ntlm.step(transaction(mine), third()))
        self.assertEqual(identity, Identity("alice", frozenset(), "ntlm"))
        self.assertEqual(self.connections.identity(transaction(mine)), identity)
        self.assertEqual([line[:3] for line in self.processes.made[0].lines], [b"YR ", b"KK "])
        self.assertEqual({ran.pool for ran in self.threads.ran}, {"directory"})

    def test_relay(self) -> None:
        """A third message on another connection than the first proves nothing there, and no process sees it."""
        mine, other = client(), client()
        self.done(self.ntlm.step(transaction(mine), FIRST))
        answer = self.done(self.ntlm.step(transaction(other), third()))
        self.assertEqual(answer, Challenge(("NTLM",)))
        self.assertIsNone(self.connections.identity(transaction(other)))
        self.done(self.ntlm.step(transaction(other), FIRST))
        self.assertIsInstance(self.done(self.ntlm.step(transaction(mine), third())), Identity)
        self.assertIsNone(self.connections.identity(transaction(other)))
        lines = [[line[:2] for line in made.lines] for made in self.processes.made]
        self.assertEqual(lines, [[b"YR", b"KK"], [b"YR"]])

    def test_third_twice(self) -> None:
        """A challenge is answered once."""
        mine = client()
        self.done(self.ntlm.step(transaction(mine), FIRST))
        self.done(self.ntlm.step(transaction(mine), third()))
        again = self.done(self.ntlm.step(transaction(mine), third()))
        self.assertEqual(again, Challenge(("NTLM",)))
        self.assertIsNone(self.connections.identity(transaction(mine)))

    def test_schemes_do_not_mix(self) -> None:
        """What began as Negotiate goes on so."""
        mine = client()
        asked = self.done(self.ntlm.step(transaction(mine), FIRST, "Negotiate"))
        self.assertEqual(asked, Challenge((f"Negotiate {CHALLENGE.decode()}",)))
        self.assertEqual(
            self.done(self.ntlm.step(transaction(mine), third())), Challenge(("NTLM",))
        )

    def test_too_late(self) -> None:
        """A challenge holds for its time only."""
        mine = client()
        self.done(self.ntlm.step(transaction(mine), FIRST))
        self.clock.advance(self.settings.handshake)
        self.assertEqual(
            self.done(self.ntlm.step(transaction(mine), third())), Challenge(("NTLM",))
        )

    def test_refusals(self) -> None:
        """What is the client's fault is told apart for the log from what is not."""
        for said, reason in (
            (b"NA NT_STATUS_WRONG_PASSWORD", "wrong_password"),
            (b"NA NT_STATUS_LOGON_FAILURE", "wrong_password"),
            (b"NA NT_STATUS_NO_SUCH_USER", "unknown_user"),
            (b"NA NT_STATUS_ACCOUNT_LOCKED_OUT", "locked"),
            (b"NA NT_STATUS_PASSWORD_EXPIRED", "expired"),
            (b"NA NT_STATUS_ACCOUNT_DISABLED", "disabled"),
        ):
            mine = client()
            self.done(self.ntlm.step(transaction(mine), FIRST))
            self.processes.third = said
            error = self.raised(Refused, self.ntlm.step(transaction(mine), third()))
            self.assertEqual(error.reason, reason)
            self.assertIsNone(self.connections.identity(transaction(mine)))
        for said in (
            b"NA NT_STATUS_NO_LOGON_SERVERS",
            b"NA NT_STATUS_NEW",
            b"BH broken",
            b"",
            b"??",
        ):
            mine = client()
            self.done(self.ntlm.step(transaction(mine), FIRST))
            self.processes.third = said
            self.raised(Unavailable, self.ntlm.step(transaction(mine), third()))
            self.assertIsNone(self.connections.identity(transaction(mine)))

    def test_bad_messages(self) -> None:
        """What is no message of a client reaches no process."""
        for token in (
            b"",
            b"NTLMSSP",
            b"NTLMSSP\0" + bytes(8),
            FIRST.replace(b"\x01", b"\x02"),
            third()[:40],
            FIRST + bytes(65536),
            b"\x60" + bytes(100),
        ):
            self.raised(Refused, self.ntlm.step(transaction(client()), token))
        self.assertEqual(self.processes.made, [])

    def test_nobody(self) -> None:
        """An anonymous client is nobody, whatever the process would say of it."""
        mine = client()
        self.done(self.ntlm.step(transaction(mine), FIRST))
        self.raised(Refused, self.ntlm.step(transaction(mine), third("")))
        self.assertEqual(len(self.processes.made[0].lines), 1)
        for name in (b"NT AUTHORITY\\ANONYMOUS LOGON", b"EXAMPLE\\Guest", b"EXAMPLE\\", b"a\\b\\c"):
            self.done(self.ntlm.step(transaction(mine), FIRST))
            self.processes.third = b"AF " + name
            self.raised(Refused, self.ntlm.step(transaction(mine), third()))

    def test_names(self) -> None:
        """Users of other domains keep their domain, so that they are not taken for ours."""
        for said, user in (
            (b"EXAMPLE\\Alice", "alice"),
            (b"example\\alice", "alice"),
            (b"alice", "alice"),
            (b"OTHER\\alice", "OTHER\\alice"),
        ):
            mine = client()
            self.done(self.ntlm.step(transaction(mine), FIRST))
            self.processes.third = b"AF " + said
            identity = self.done(self.ntlm.step(transaction(mine), third()))
            assert isinstance(identity, Identity)
            self.assertEqual(identity.user, user)

    def test_shared_connection(self) -> None:
        """Behind a proxy it is neither offered nor taken."""
        passed_on = transaction(client(), Via="1.1 other")
        self.assertFalse(self.ntlm.offered(passed_on))
        self.assertTrue(self.ntlm.offered(transaction(client())))
        self.raised(Refused, self.ntlm.step(passed_on, FIRST))

    def test_no_password_in_the_log(self) -> None:
        """Nothing of a message gets into the log."""
        mine = client()
        self.done(self.ntlm.step(transaction(mine), FIRST))
        self.processes.third = b"NA NT_STATUS_WRONG_PASSWORD"
        self.raised(Refused, self.ntlm.step(transaction(mine), third("secret")))
        said = " ".join(self.log.texts)
        self.assertIn("NT_STATUS_WRONG_PASSWORD", said)
        self.assertNotIn(b64encode(third("secret")).decode()[:20], said)
        self.assertNotIn(CHALLENGE.decode(), said)


class HelpersTests(NtlmTestCase):
    """The processes."""

    def test_used_again(self) -> None:
        """A process serves one client after the other."""
        for _ in range(5):
            mine = client()
            self.done(self.ntlm.step(transaction(mine), FIRST))
            self.done(self.ntlm.step(transaction(mine), third()))
        self.assertEqual(len(self.processes.made), 1)
        self.assertEqual(self.counted("ntlm_helpers"), 1)

    def test_one_client_each(self) -> None:
        """A process is one client's until its last message; who finds none free waits, but not for ever."""
        clients = [client() for _ in range(3)]
        for one in clients[:2]:
            self.done(self.ntlm.step(transaction(one), FIRST))
        waits = self.going(self.ntlm.step(transaction(clients[2]), FIRST))
        self.assertNoResult(waits)
        self.done(self.ntlm.step(transaction(clients[0]), third()))
        self.settle()
        self.assertIsInstance(self.successResultOf(waits), Challenge)
        self.assertEqual(len(self.processes.made), 2)

    def test_idle_clients(self) -> None:
        """A client that does not go on loses its process to one that waits, and has to begin anew."""
        clients = [client() for _ in range(3)]
        for one in clients[:2]:
            self.done(self.ntlm.step(transaction(one), FIRST))
        waits = self.going(self.ntlm.step(transaction(clients[2]), FIRST))
        self.assertNoResult(waits)
        self.clock.advance(1.0)
        self.settle()
        self.assertIsInstance(self.successResultOf(waits), Challenge)
        again = self.done(self.ntlm.step(transaction(clients[0]), third()))
        self.assertEqual(again, Challenge(("NTLM",)))
        self.assertIsInstance(self.done(self.ntlm.step(transaction(clients[1]), third())), Identity)

    def test_gone_clients(self) -> None:
        """The process of a client that is gone is free."""
        for _ in range(5):
            self.done(self.ntlm.step(transaction(client()), FIRST))
            gc.collect()
        self.assertLessEqual(len(self.processes.made), 2)

    def test_failure(self) -> None:
        """A process that gives no answer is replaced, each time a little later."""

        def hang(line: bytes) -> bytes:
            raise HelperFailed("it does not answer")

        good, self.processes.answer = self.processes.answer, hang
        for pause in (0.5, 1.0, 2.0):
            self.raised(Unavailable, self.ntlm.step(transaction(client()), FIRST))
            made = len(self.processes.made)
            self.clock.advance(pause - 0.1)
            self.raised(Unavailable, self.ntlm.step(transaction(client()), FIRST))
            self.assertEqual(len(self.processes.made), made)
            self.clock.advance(0.1)
        self.assertEqual(self.processes.made[0].gone, "closed")
        self.processes.answer = good
        self.done(self.ntlm.step(transaction(client()), FIRST))
        self.assertEqual(self.counted("ntlm_helper_failures"), 3)

    def test_start(self) -> None:
        """A command that can't be started is told at start."""
        self.processes.broken = True
        error = self.raised(Unavailable, self.ntlm.start())
        self.assertEqual(error.detail, "cannot start it")
        self.processes.broken = False
        self.clock.advance(1.0)
        self.done(self.ntlm.start())

    def test_abandoned(self) -> None:
        """A process whose answer nobody waits for any more is not used again: the answer would be the next one's."""
        self.done(self.ntlm.start())
        self.threads.hold()
        begun = self.going(self.ntlm.step(transaction(client()), FIRST))
        begun.cancel()
        self.failureResultOf(begun)
        self.threads.release()
        self.settle()
        self.assertEqual(self.processes.made[0].gone, "killed")
        self.done(self.ntlm.step(transaction(client()), FIRST))
        self.assertEqual((len(self.processes.made), self.processes.made[0].gone), (2, "closed"))

    def test_stop(self) -> None:
        """All processes end with the plugin, and nobody gets one after that."""
        mine = client()
        self.done(self.ntlm.step(transaction(mine), FIRST))
        self.done(self.ntlm.stop())
        self.assertEqual([made.gone for made in self.processes.made], ["closed"])
        self.raised(Unavailable, self.ntlm.step(transaction(client()), FIRST))
        self.assertEqual(
            self.done(self.ntlm.step(transaction(mine), third())), Challenge(("NTLM",))
        )
        self.done(self.ntlm.stop())


_ECHO = "import sys\nfor line in sys.stdin: print('TT', line.strip(), flush=True)"
_SLEEP = "import time; time.sleep(60)"
_END = "import sys; sys.stderr.write('no winbindd\\n')"
_FLOOD = "import sys\nsys.stdin.readline()\nwhile True: sys.stdout.write('x' * 65536)"


class ProcessTests(HandshakeTestCase):
    """Processes of the system."""

    def process(self, program: str) -> Process:
        """Start a small program."""
        made = Process([sys.executable, "-c", program])
        made.start()
        self.addCleanup(made.close)
        return made

    def test_lines(self) -> None:
        """Each line is answered by one, long ones too."""
        process = self.process(_ECHO)
        for line in (b"YR", b"KK " + b"x" * 90_000, b"YR again"):
            self.assertEqual(process.ask(line, 20.0), b"TT " + line)

    def test_no_answer(self) -> None:
        """A program that does not answer in time has failed."""
        self.assertRaises(HelperFailed, self.process(_SLEEP).ask, b"YR", 0.05)

    def test_ends(self) -> None:
        """One that ends has failed, and what it said last is told."""
        error = self.assertRaises(HelperFailed, self.process(_END).ask, b"YR", 20.0)
        self.assertIn("no winbindd", str(error))

    def test_too_much(self) -> None:
        """An answer without an end is not read for ever."""
        error = self.assertRaises(HelperFailed, self.process(_FLOOD).ask, b"YR", 20.0)
        self.assertIn("too much", str(error))

    def test_missing(self) -> None:
        """A program that is not there is told by its name."""
        error = self.assertRaises(HelperFailed, Process(["/nowhere/ntlm_auth"]).start)
        self.assertEqual(str(error), "cannot start /nowhere/ntlm_auth: No such file or directory")

    def test_killed_early(self) -> None:
        """One that was given up before it was there does not stay."""
        process = Process([sys.executable, "-c", _SLEEP])
        process.kill()
        self.assertRaises(HelperFailed, process.start)
        process.close()


class SettingsTests(HandshakeTestCase):
    """What is not said."""

    def test_off(self) -> None:
        """NTLM is off unless it is switched on."""
        self.assertFalse(NtlmSettings().enabled)
        self.assertTrue(replace(NtlmSettings(), enabled=True).enabled)
