"""C{gateway tls}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.admin.tls_pins import pins_order
from gateway.api.answers import ClientHello
from gateway.cli.main import main
from gateway.cli.tls import COMMANDS
from gateway.net.ca_holders import NAMES_WITHOUT_CA
from gateway.net.client_family import client_family
from gateway.net.pins import Pins
from tests.unit.cli.answering import AnsweredCase
from tests.unit.cli.plugins import InstalledTestCase
from tests.unit.cli.shapes import assert_explain_themselves

APP = ClientHello("", ciphers=(0x1301,))
NAME = "api.example.com"


class ShapeTests(SynchronousTestCase):
    """Each command explains itself, as those beside C{tls} do."""

    def test_help_has_an_example_and_exit_codes(self) -> None:
        """Each has command lines that its parser takes, and says what its exit codes mean."""
        assert_explain_themselves(self, "tls", COMMANDS)


class PinsTests(AnsweredCase):
    """C{gateway tls pins}, with a gateway at the other end of the socket that has nothing but pins."""

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.pins = Pins(self.clock, lambda event: None, wall=self.clock.seconds)
        self.err = StringIO()

    def ran(self, *arguments: str, code: int = 0) -> str:
        """Run the command, carry its order out, and give what it wrote."""
        out, err = self.answered(["tls", "pins", *arguments], self.carried_out, code)
        self.err = StringIO(err)
        return out

    def carried_out(self, said: Mapping[str, Any]) -> object:
        """Carry an order out."""
        coroutine: Any = pins_order(self.pins)(said)
        try:
            coroutine.send(None)
        except StopIteration as ended:
            return ended.value
        raise AssertionError("the order waits for something")

    def refuse(self, name: str = NAME, times: int = 3) -> None:
        """Let a client refuse a name."""
        for _ in range(times):
            self.pins.failed(name, "tlsv1 alert unknown ca", "192.0.2.7", APP)

    def test_nothing(self) -> None:
        """While there is nothing it says so, and ends well."""
        self.assertIn("no app seems to have pinned", self.ran())
        self.assertEqual(self.orders, [{"order": "tls_pins"}])

    def test_table(self) -> None:
        """Each proposal is a line below a head, and for good is where it says."""
        self.refuse()
        self.refuse("other.example.com")
        lines = self.ran().splitlines()
        self.assertEqual(lines[0].split()[:3], ["NAME", "FAMILY", "REFUSED"])
        self.assertEqual(
            lines[1].split(),
            [NAME, client_family(APP), "3", "1", "0", *["1970-01-01T00:00:00+00:00"] * 2, "no"],
        )
        self.assertEqual(lines[2].split()[0], "other.example.com")
        self.assertIn("tls.never_decrypt", lines[3])

    def test_bypass(self) -> None:
        """A bypass is ordered for a day or for a time, and shown."""
        out = self.ran("--bypass", "API.example.com")
        self.assertIn("until 1970-01-02T00:00:00+00:00 (operator)", out)
        self.assertEqual(self.orders, [{"order": "tls_pins", "bypass": NAME}])
        out = self.ran("--bypass", NAME, "--for", "8h")
        self.assertIn("until 1970-01-01T08:00:00+00:00 (operator)", out)
        self.assertTrue(self.pins.bypassed(NAME, APP))

    def test_forget(self) -> None:
        """It is ended again; a name of which nothing is known is told as such."""
        self.pins.bypass(NAME)
        self.assertIn("no app seems", self.ran("--forget", NAME))
        self.assertFalse(self.pins.bypassed(NAME, APP))
        self.assertEqual(self.ran("--forget", NAME, code=1), "")
        self.assertEqual(self.err.getvalue(), f"nothing is known of {NAME}\n")

    def test_json(self) -> None:
        """A program gets the gateway's answer as it is."""
        self.refuse()
        answer = json.loads(self.ran("--json"))
        self.assertEqual([pin["name"] for pin in answer["pins"]], [NAME])
        answer = json.loads(self.ran("--json", "--forget", "www.example.com", code=1))
        self.assertEqual((answer["ok"], len(answer["pins"])), (False, 1))

    def test_clients_without_ca(self) -> None:
        """Clients that refuse everything are told apart from apps."""
        for number in range(NAMES_WITHOUT_CA):
            self.refuse(f"{number}.example.com", 1)
        self.assertIn(
            "1 client refused every name and may lack the gateway's CA: 192.0.2.7", self.ran()
        )

    def test_automatic(self) -> None:
        """That proposals are followed by themselves is said."""
        self.assertNotIn("tls.pinned_bypass", self.ran())
        self.pins.follow(automatic=True)
        self.assertIn("tls.pinned_bypass is on", self.ran())

    def test_nobody(self) -> None:
        """Where no gateway runs that is said, as JSON too."""
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["tls", "pins", "--config", self.config], out, err), 1)
        self.assertIn("no gateway runs here that was started with", err.getvalue())
        self.assertEqual(main(["tls", "pins", "--json", "--config", self.config], out, err), 1)
        self.assertFalse(json.loads(out.getvalue())["ok"])

    def test_wrong_command_line(self) -> None:
        """What can't be meant is refused before anybody is asked."""
        for arguments in (
            ["--bypass", "*.example.com"],
            ["--bypass", NAME, "--for", "soon"],
            ["--bypass", NAME, "--for", "31d"],
            ["--bypass", NAME, "--for", "0"],
            ["--bypass", NAME, "--forget", NAME],
        ):
            with redirect_stderr(StringIO()), self.assertRaises(SystemExit) as ended:
                main(["tls", "pins", *arguments])
            self.assertEqual(ended.exception.code, 2)
        out, err = StringIO(), StringIO()
        self.assertEqual(main(["tls", "pins", "--for", "8h"], out, err), 2)


CONFIG = """
[tls]
decrypt = "rules"
ca = "/var/lib/gateway/ca"
decrypt_hosts = [".example.com", "192.0.2.0/24"]
never_decrypt = ["www.example.net", "*.bank.example.com"]
"""


ASKED = """
class Asked(Plugin):
    name = "asked"
    @hookimpl()
    def client_hello(self, client, hello): return None
plugin = Asked
"""


class ExplainTests(InstalledTestCase):
    """C{gateway tls explain}."""

    def ran(self, *arguments: str, config: str = CONFIG, code: int = 0) -> str:
        """Explain with a configuration."""
        out, err = StringIO(), StringIO()
        path = self.write(config.replace("/var/lib/gateway", str(self.folder)))
        found = main(["tls", "explain", "--config", path, *arguments], out, err)
        self.assertEqual(found, code, err.getvalue())
        return out.getvalue()

    def test_reasons(self) -> None:
        """It says what would happen, and the setting or pattern that decides."""
        for host, said in {
            "API.example.com": 'decrypted\ntls.decrypt_hosts has ".example.com"',
            "192.0.2.9": 'decrypted\ntls.decrypt_hosts has "192.0.2.0/24"',
            "a.bank.example.com": 'passed on unread\ntls.never_decrypt has "*.bank.example.com"',
            "example.org": 'passed on unread\ntls.decrypt is "rules", and tls.decrypt_hosts does not name it',
        }.items():
            self.assertEqual(self.ran(host), f"{host.lower()}: {said}\n")
        for kind, said in (("none", "passed on unread"), ("all", "decrypted")):
            config = f'[tls]\ndecrypt = "{kind}"\nca = "/var/lib/gateway/ca"\n'
            self.assertEqual(
                self.ran("example.org", config=config),
                f'example.org: {said}\ntls.decrypt is "{kind}"\n',
            )

    def test_server_name(self) -> None:
        """The name that is asked for in TLS counts too, and never_decrypt first."""
        found = json.loads(self.ran("192.0.2.9", "--server-name", "www.example.net", "--json"))
        self.assertEqual(
            found,
            {
                "ok": True,
                "host": "192.0.2.9",
                "server_name": "www.example.net",
                "decision": "tunnel",
                "why": "never_decrypt",
                "pattern": "www.example.net",
                "plugins": [],
            },
        )

    def test_plugins(self) -> None:
        """Plugins that are asked are named; what is never decrypted they can only refuse."""
        self.install("asked", ASKED)
        config = CONFIG + '[plugins]\nenabled = ["asked"]\n'
        self.assertIn(
            "unless a plugin says otherwise, these are asked: asked\n",
            self.ran("example.org", config=config),
        )
        said = self.ran("www.example.net", config=config)
        self.assertIn("whatever plugins say, but they may refuse it: asked\n", said)
        found = json.loads(self.ran("example.org", "--json", config=config))
        self.assertEqual(found["plugins"], ["asked"])

    def test_faults(self) -> None:
        """A configuration with faults is told as such, and so is what is no host."""
        self.ran("example.org", config='[tls]\ndecrypt = "some"\n', code=2)
        with redirect_stderr(StringIO()), self.assertRaises(SystemExit) as ended:
            self.ran("*.example.org")
        self.assertEqual(ended.exception.code, 2)
