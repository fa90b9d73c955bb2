"""Tests of what plugins say of their settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Caution, Listener, Plugin, SettingFault, Surroundings
from gateway.config.faults import ConfigError, Fault
from gateway.config.load import load
from gateway.config.schema import Config
from gateway.pipeline.plugins import load_plugins
from gateway.pipeline.reviewing import MOST, reviewed, surroundings
from tests.unit.config.files import FilesTestCase
from tests.unit.pipeline.builders import Bench


class Says(Plugin):
    """Says what it was told to."""

    name = "says"

    def __init__(self, settings: Any = None, services: Any = None) -> None:
        super().__init__(settings, services)
        self.given: list[Surroundings] = []
        self.said: list[Any] = []

    def review(self, around: Surroundings) -> Iterable[Caution | SettingFault]:
        """Say it; raise what is an error."""
        self.given.append(around)
        for one in self.said:
            if isinstance(one, BaseException):
                raise one
            yield one


class SurroundingsTests(SynchronousTestCase):
    """What a plugin may know of the configuration."""

    def around(self, **said: object) -> Surroundings:
        """Load a configuration and give what plugins see of it."""
        dotted = {key.replace("__", "."): value for key, value in said.items()}
        return surroundings(load(None, dotted, {}))

    def test_defaults(self) -> None:
        """Nothing is decrypted, and there is a forward proxy for this machine."""
        place = Listener("127.0.0.1:8080", is_local=True)
        self.assertEqual(self.around(), Surroundings("none", (place,)))

    def test_listeners(self) -> None:
        """Each place says its mode, its kind, and how clients come to it."""
        around = self.around(
            forward__listen=[":8080", "unix:/run/gateway.sock", "systemd:0"],
            site=[{"host": ["a.example", "*.b.example"], "origins": ["http://c.example"]}],
            network__trusted_proxies=["192.0.2.7"],
            tls__decrypt="rules",
        )
        self.assertEqual(
            [(one.name, one.kind, one.is_local) for one in around.of_mode("forward")],
            [
                ("0.0.0.0:8080", "tcp", False),
                ("unix:/run/gateway.sock", "unix", True),
                ("systemd:0", "systemd", False),
            ],
        )
        (site,) = around.of_mode("reverse")
        self.assertEqual(site.hosts, ("a.example", "*.b.example"))
        self.assertEqual((around.decrypt, around.trusted_proxies), ("rules", ("192.0.2.7/32",)))

    def test_tls(self) -> None:
        """A listener is TLS by its own certificate, or by that of a site on it."""
        proxy = {"address": ":8443", "tls": {"certificate": "/p.pem"}}
        balanced = {"address": ":80", "proxy_protocol": True}
        origins = ["http://c.example"]
        config = _loose(
            {
                "forward.listen": [proxy, balanced],
                "site": [
                    {
                        "host": ["a"],
                        "origins": origins,
                        "listen": [":443"],
                        "certificate": "/s.pem",
                    },
                    {"host": ["b"], "origins": origins, "listen": [":443"]},
                    {"host": ["b"], "origins": origins, "listen": [":81"]},
                ],
            }
        )
        self.assertEqual(
            [
                (one.name, one.has_tls, one.has_proxy_protocol)
                for one in surroundings(config).listeners
            ],
            [
                ("0.0.0.0:8443", True, False),
                ("0.0.0.0:80", False, True),
                ("0.0.0.0:443", True, False),
                ("0.0.0.0:81", False, False),
            ],
        )


class ReviewedTests(FilesTestCase):
    """What plugins say becomes faults and cautions of the configuration."""

    TEXT = '[plugins]\nenabled = ["says"]\n[plugins.says]\na = 1\nb = { c = 2 }\n'

    def setUp(self) -> None:
        """Make a plugin."""
        super().setUp()
        self.plugin = Says()

    def ask(self, *said: object) -> tuple[list[str], list[str]]:
        """Let it say something; give faults and cautions."""
        self.plugin.said = list(said)
        found = reviewed(self.load(self.TEXT), {"says": self.plugin})
        return self.texts(found.faults), self.texts(found.cautions)

    def texts(self, faults: Iterable[Fault]) -> list[str]:
        """Write faults without the name of the folder."""
        return [str(fault).replace(f"{self.folder}/", "") for fault in faults]

    def test_places(self) -> None:
        """Each is told with the file and the line of its setting, or of the nearest table around it."""
        faults, cautions = self.ask(
            Caution("is odd", ("a",), "b"),
            SettingFault("is wrong", ("b", "c")),
            Caution("is not set", ("d", 0)),
            Caution("is all odd"),
        )
        self.assertEqual(faults, ["gateway.toml:5: plugins.says.b.c: is wrong"])
        self.assertEqual(
            cautions,
            [
                "gateway.toml:4: plugins.says.a: is odd (b)",
                "gateway.toml:3: plugins.says.d[0]: is not set",
                "gateway.toml:3: plugins.says: is all odd",
            ],
        )

    def test_one_line(self) -> None:
        """What is said stays on one line and does nothing to a terminal."""
        _, (found,) = self.ask(Caution("a\n  b\x1b[31m", ("a",)))
        self.assertEqual(found, "gateway.toml:4: plugins.says.a: a b?[31m")

    def test_raises(self) -> None:
        """What is raised is a caution that names plugin and line; what was said before counts."""
        for error in (ValueError("no idea"), SystemExit("away")):
            faults, cautions = self.ask(SettingFault("is wrong", ("a",)), error)
            self.assertEqual(faults, ["gateway.toml:4: plugins.says.a: is wrong"])
            (found,) = cautions
            self.assertIn('plugins.enabled[0]: "says" can\'t say whether', found)
            self.assertRegex(found, rf"{type(error).__name__}: {error} \(test_reviewing\.py:\d+\)")

    def test_wrong_answers(self) -> None:
        """What is neither, a key that is no tuple, and a flood are the plugin's error."""
        _, (found,) = self.ask("a text")
        self.assertIn("TypeError: it gives 'a text', which is no Caution", found)
        _, (found,) = self.ask(Caution("is odd", "a"))  # type: ignore[arg-type]
        self.assertIn("the key 'a' is no tuple, such as ('a',)", found)
        _, cautions = self.ask(*[Caution("again")] * (MOST + 10))
        self.assertEqual(len(cautions), MOST + 1)
        self.assertIn(f"more than {MOST}", cautions[-1])

    def test_no_answer(self) -> None:
        """A review that gives nothing to go through is the plugin's error, too."""

        class Mute(Says):
            def review(self, around: Surroundings) -> Any:
                return None

        found = reviewed(self.load(self.TEXT), {"says": Mute()})
        self.assertIn("TypeError", found.cautions[0].message)

    def test_given(self) -> None:
        """It is asked once, with the surroundings and not the configuration."""
        self.ask()
        self.assertEqual(
            self.plugin.given, [Surroundings("none", (Listener("127.0.0.1:8080", is_local=True),))]
        )


class LoadTests(FilesTestCase):
    """Loading plugins asks them."""

    TEXT = ReviewedTests.TEXT

    def test_cautions_are_kept(self) -> None:
        """Cautions keep nothing from starting and are kept with what was loaded."""
        plugin = Says()
        plugin.said = [Caution("is odd", ("a",)), ValueError("no idea")]
        loaded = load_plugins(self.load(self.TEXT), Bench().services, extra={"says": plugin})
        self.assertEqual(len(loaded.cautions), 2)
        self.assertEqual(list(loaded.plugins), ["says"])

    def test_faults_refuse(self) -> None:
        """A fault refuses the configuration, together with those of other plugins."""

        class Other(Says):
            name = "other"

        one, two = Says(), Other()
        one.said, two.said = [SettingFault("first")], [SettingFault("second")]
        config = self.load('[plugins]\nenabled = ["says", "other"]')
        extra = {"says": one, "other": two}
        error = self.assertRaises(ConfigError, load_plugins, config, Bench().services, extra=extra)
        self.assertEqual([fault.message for fault in error.faults], ["first", "second"])


def _loose(said: dict[str, object]) -> Config:
    """Give what a configuration says although files that it names are not there."""
    found: list[Config] = []

    def take(config: Config) -> list[Fault]:
        found.append(config)
        return []

    with contextlib.suppress(ConfigError):
        load(None, said, {}, further=take)
    return found[0]
