"""Tests of C{gateway snmp}."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli import snmp, snmp_mib, snmp_part, snmp_show
from gateway.cli.command import DONE, FAULTY, NOT_DONE
from gateway.cli.main import parser
from gateway_snmp.mib import text
from gateway_snmp.tree import PLAYPEN, oid_text
from tests.unit.cli.shapes import assert_explain_themselves

NOBODY: Mapping[str, Any] = {"ok": False, "why": "no gateway runs on this machine"}


class SnmpTests(SynchronousTestCase):
    """The commands."""

    def run_command(
        self, answer: Mapping[str, Any], *arguments: str, command: str = "snmp"
    ) -> tuple[int, str, str]:
        """Run one against a gateway that answers so."""
        self.asked: list[str] = []

        def ask(options: object, name: str, **said: object) -> Mapping[str, Any]:
            self.asked.append(name)
            return answer

        for module in (snmp_mib, snmp_show):
            self.patch(module, "asked", ask)
        options = parser().parse_args([command, *arguments])
        out, err = io.StringIO(), io.StringIO()
        code = options.command.run(options, out, err)
        return code, out.getvalue(), err.getvalue()

    def test_explain_themselves(self) -> None:
        """Each has examples that can be given, and exit codes."""
        assert_explain_themselves(self, "snmp", snmp.COMMANDS)

    def test_mib_of_the_gateway(self) -> None:
        """The MIB is the one of the gateway that runs."""
        said = {"ok": True, "why": "", "text": "GATEWAY-MIB ..."}
        self.assertEqual(self.run_command(said, "mib"), (DONE, "GATEWAY-MIB ...", ""))
        self.assertEqual(self.asked, ["snmp.mib"])

    def test_mib_without_a_gateway(self) -> None:
        """Without one it is that of the default, and that is said; with an OID nobody is asked."""
        code, out, err = self.run_command(NOBODY, "mib")
        self.assertEqual((code, out), (DONE, text()))
        self.assertIn("default base_oid", err)
        code, out, err = self.run_command(NOBODY, "mib", "--base-oid", "1.3.6.1.4.1.5")
        self.assertEqual((code, out, err), (DONE, text((1, 3, 6, 1, 4, 1, 5)), ""))
        self.assertEqual(self.asked, [])

    def test_mib_to_a_file(self) -> None:
        """It is written where that is wanted; what goes wrong is said."""
        file = self.mktemp()
        code, out, _ = self.run_command(NOBODY, "mib", "--output", file)
        self.assertEqual((code, out, Path(file).read_text()), (DONE, "", text()))
        code, _, err = self.run_command(NOBODY, "mib", "--output", f"{file}/below")
        self.assertEqual(code, NOT_DONE)
        self.assertIn("Not a directory", err)
        code, _, err = self.run_command(NOBODY, "mib", "--base-oid", "1.3")
        self.assertEqual((code, "is not below enterprises" in err), (FAULTY, True))

    def test_show(self) -> None:
        """The engine id and the receivers are shown as they are written in receivers' configurations."""
        receiver = {
            "address": "10.0.0.9:162",
            "version": "3",
            "user": "gateway",
            "level": "authPriv",
            "kind": "inform",
            "oid_style": "gateway",
        }
        said = {
            "ok": True,
            "why": "",
            "engine_id": "80001f8805",
            "engine_boots": 7,
            "base_oid": "1.3.6.1.4.1.5",
            "receivers": [receiver, {**receiver, "version": "2c", "user": ""}],
        }
        code, out, _ = self.run_command(said, "show")
        self.assertEqual(code, DONE)
        self.assertIn("engine id     0x80001f8805\n", out)
        self.assertIn("version 3, inform, user gateway, authPriv, OIDs of gateway\n", out)
        self.assertIn("version 2c, inform, community, OIDs of gateway\n", out)
        self.assertEqual(self.run_command(NOBODY, "show")[0], NOT_DONE)

    def test_agent(self) -> None:
        """The agent answers on standard output what it is asked on standard input, under both names."""
        for arguments, command in ((["agent"], "snmp"), ([], "snmp-agent")):
            self.patch(sys, "stdin", io.StringIO("PING\n"))
            code, out, err = self.run_command(NOBODY, *arguments, command=command)
            self.assertEqual((code, out, err), (DONE, "PONG\n", ""))
        code, _, err = self.run_command(NOBODY, "agent", "--base-oid", "x")
        self.assertEqual((code, err), (FAULTY, '"x" is no OID\n'))

    def test_default(self) -> None:
        """The OID that the agent has by default is the plugin's."""
        self.assertEqual(snmp_part.DEFAULT_OID, oid_text(PLAYPEN))

    def test_not_installed(self) -> None:
        """Without the plugin it is said that there is none."""
        self.patch(snmp_part, "_PACKAGE", "gateway_that_is_not_there")
        for arguments in (["agent"], ["mib", "--base-oid", "1.3.6.1.4.1.5"]):
            code, _, err = self.run_command(NOBODY, *arguments)
            self.assertEqual(code, NOT_DONE)
            self.assertIn("the plugin snmp is not installed", err)
