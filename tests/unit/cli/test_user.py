"""C{gateway user}."""

from __future__ import annotations

import json
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.main import main
from gateway.cli.user import COMMANDS
from tests.unit.cli.answering import AnsweredCase
from tests.unit.cli.shapes import assert_explain_themselves

USER = {
    "address": "192.0.2.7",
    "user": "anna",
    "groups": ["staff"],
    "for": "http",
    "age_seconds": 61.5,
    "left_seconds": 3838.5,
    "programs": 2,
    "on_probation": False,
}
MARK = {
    "address": "192.0.2.9",
    "reason": "users",
    "age_seconds": 5.0,
    "left_seconds": 3595.0,
}
LISTED = {"users": [USER], "count": 1, "shared": [MARK], "shared_count": 1}
NOTHING: dict[str, Any] = {"users": [], "count": 0, "shared": [], "shared_count": 0}


class ShapeTests(SynchronousTestCase):
    """Each command explains itself, as those beside C{user} do."""

    def test_help_has_an_example_and_exit_codes(self) -> None:
        """Each has command lines that its parser takes, and says what its exit codes mean."""
        assert_explain_themselves(self, "user", COMMANDS)


class UserTests(AnsweredCase):
    """The commands, with a gateway at the other end of the socket that gives one answer."""

    def ran(
        self, *arguments: str, answer: object = None, why: str = "", code: int = 0
    ) -> tuple[str, str]:
        """Run a command, answer its order as the gateway does, and give what it wrote."""
        given = {"ok": not why, "why": why, **({} if answer is None else {"answer": answer})}
        return self.answered(["user", *arguments], given, code)

    def ordered(self, name: str, **said: object) -> None:
        """Look at the one order that was given."""
        self.assertEqual(self.orders, [{"order": "plugin", "name": name, "said": said}])

    def test_list(self) -> None:
        """Each address is a line below a head, and shared ones are below those."""
        out, _ = self.ran("list", answer=LISTED)
        self.ordered("user.list", who="")
        lines = [line.split() for line in out.splitlines()]
        self.assertEqual(lines[0], ["ADDRESS", "USER", "FOR", "SINCE", "LEFT", "PROGRAMS"])
        self.assertEqual(lines[1], ["192.0.2.7", "anna", "http", "1m", "1s", "1h", "3m", "2"])
        self.assertEqual(lines[3], ["SHARED", "ADDRESS", "BECAUSE", "SINCE", "LEFT"])
        self.assertIn("192.0.2.9       two users were seen there  5s     59m 55s", out)

    def test_list_of_one(self) -> None:
        """A user or an address can be named; that nothing is remembered is said and no fault."""
        out, _ = self.ran("list", "anna", answer=NOTHING)
        self.ordered("user.list", who="anna")
        self.assertEqual(out, "of no address the user is remembered\n")

    def test_cut(self) -> None:
        """If more are remembered than are listed, that is said."""
        answer = {**LISTED, "count": 7, "shared_count": 3}
        out, _ = self.ran("list", answer=answer)
        self.assertIn("and 6 more: name a user or an address\n", out)
        self.assertIn("and 2 more shared addresses\n", out)

    def test_probation(self) -> None:
        """What is not believed yet is marked."""
        answer = {**LISTED, "users": [{**USER, "on_probation": True}]}
        self.assertIn("on probation\n", self.ran("list", answer=answer)[0])

    def test_json(self) -> None:
        """A program gets the plugin's answer as it is, with whether and why not."""
        out, _ = self.ran("list", "--json", answer=LISTED)
        self.assertEqual(json.loads(out), {**LISTED, "ok": True, "why": ""})

    def test_evict(self) -> None:
        """What was forgotten is said."""
        out, _ = self.ran("evict", "anna", answer={"addresses": ["192.0.2.7"], "others": 2})
        self.ordered("user.evict", who="anna")
        self.assertEqual(
            out,
            "anna is forgotten: the address 192.0.2.7, 2 other things, such as connections\n",
        )

    def test_unknown(self) -> None:
        """Of whom nothing is known is told as such, by the exit code too."""
        answer = {"addresses": [], "others": 0}
        why = "nothing is known of anna"
        out, err = self.ran("evict", "anna", answer=answer, why=why, code=1)
        self.assertEqual((out, err), ("", f"{why}\n"))

    def test_logout(self) -> None:
        """Somebody is logged out, whatever is remembered; that it holds till the restart alone is said."""
        answer = {"addresses": [], "others": 0, "survives_restart": True}
        out, err = self.ran("logout", "anna", answer=answer)
        self.ordered("user.logout", who="anna")
        self.assertEqual((out, err), ("anna is logged out: nothing was remembered\n", ""))
        _, err = self.ran("logout", "anna", answer={**answer, "survives_restart": False})
        self.assertIn("could not be stored", err)

    def test_no_plugin(self) -> None:
        """Without the plugin nobody knows the order."""
        why = "no plugin that is enabled knows this order"
        for arguments in (["list"], ["evict", "anna"], ["logout", "anna"]):
            self.assertEqual(self.ran(*arguments, why=why, code=1), ("", f"{why}\n"))

    def test_nobody(self) -> None:
        """Where no gateway runs that is said, as JSON too."""
        for arguments in (["list"], ["evict", "anna"], ["logout", "anna"]):
            out, err = StringIO(), StringIO()
            words = ["user", *arguments, "--config", self.config]
            self.assertEqual(main(words, out, err), 1)
            self.assertIn("no gateway runs here that was started with", err.getvalue())
            self.assertEqual(main([*words, "--json"], out, err), 1)
            self.assertFalse(json.loads(out.getvalue())["ok"])

    def test_wrong_command_line(self) -> None:
        """What can name nobody is refused before anybody is asked."""
        for arguments in (
            [],
            ["evict"],
            ["logout"],
            ["evict", ""],
            ["evict", "an\nna"],
            ["logout", "x" * 1025],
            ["list", "anna", "bert"],
        ):
            with redirect_stderr(StringIO()), self.assertRaises(SystemExit) as ended:
                main(["user", *arguments])
            self.assertEqual(ended.exception.code, 2)
