"""Cautions of plugins in a whole gateway: told at the start, at each reload, once each."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Annotated, Any

from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Caution, Plugin, SettingFault, Surroundings
from gateway.api.settings import Help
from gateway.config.load import load
from gateway.reload import ReloadError
from gateway.service import GatewayService
from gateway.testing import FakeGateway
from gateway.testing.network import MemoryNetwork


@dataclass(frozen=True, slots=True)
class OddSettings:
    """One setting."""

    text: Annotated[str, Help("Said as it is.")] = ""


class Odd(Plugin):
    """Warns of its own text, and refuses one."""

    name = "odd"
    Settings = OddSettings

    def review(self, around: Surroundings) -> Iterable[Caution | SettingFault]:
        """Say it."""
        if self.settings.text == "raise":
            raise RuntimeError("no idea")
        if self.settings.text == "wrong":
            yield SettingFault("this can't work", ("text",))
        elif self.settings.text:
            yield Caution(self.settings.text, ("text",), f"{around.decrypt} is decrypted")


class CautionTests(SynchronousTestCase):
    """From the plugin to the operator."""

    def setUp(self) -> None:
        """Gather what is logged."""
        self.logged: list[str] = []
        observer: Any = self.note
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def note(self, event: Any) -> None:
        """Keep cautions."""
        if event.get("caution") is not None:
            self.logged.append(f"{event['log_level'].name} {event['caution'].message}")

    def said(self, text: str) -> dict[str, object]:
        """Give a configuration."""
        return {
            "plugins.enabled": ["odd"],
            "plugins.odd.text": text,
            "limits.upload": 0,
            "admin.health": "",
            "log.access": "",
        }

    def started(self, text: str) -> tuple[GatewayService, str]:
        """Start a gateway; give it with what it says."""
        network = MemoryNetwork()
        config = load(None, self.said(text), {})
        service = GatewayService(config, network, extra_plugins={"odd": Odd})
        greeting = StringIO()
        with redirect_stdout(greeting):
            service.startService()
            network.settle()
        self.addCleanup(lambda: self.stop(service, network))
        return service, greeting.getvalue()

    def stop(self, service: GatewayService, network: MemoryNetwork) -> None:
        """Stop it."""
        stopping = service.stopService()
        network.pass_time(service.config.timeouts.drain + 5)
        self.successResultOf(stopping)

    def reloaded(self, service: GatewayService, text: str, *, dry_run: bool = False) -> Any:
        """Reload with another text."""
        said = self.said(text)
        done: Deferred[Any] = service.reload(lambda: load(None, said, {}), dry_run=dry_run)
        return done

    def test_start(self) -> None:
        """The gateway starts, and says the caution once among what it says then."""
        _, greeting = self.started("is odd")
        line = "  caution: command line: plugins.odd.text: is odd (none is decrypted)\n"
        self.assertEqual(greeting.count("caution: "), 1)
        self.assertIn(line, greeting)

    def test_raises(self) -> None:
        """One that raises keeps nothing from starting, and that is said."""
        service, greeting = self.started("raise")
        self.assertTrue(service.listenings)
        self.assertIn(
            '"odd" can\'t say whether its settings make sense: RuntimeError: no idea', greeting
        )

    def test_reload(self) -> None:
        """A reload gives all cautions and logs those that are new."""
        service, _ = self.started("is odd")
        done = self.successResultOf(self.reloaded(service, "is odd"))
        self.assertEqual([one.message for one in done.cautions], ["is odd"])
        self.assertEqual(self.logged, [])
        self.successResultOf(self.reloaded(service, "is queer"))
        self.assertEqual(self.logged, ["warn is queer"])
        done = self.successResultOf(self.reloaded(service, ""))
        self.assertEqual(done.cautions, ())

    def test_dry_run(self) -> None:
        """A dry run gives them and logs nothing."""
        service, _ = self.started("")
        done = self.successResultOf(self.reloaded(service, "is odd", dry_run=True))
        self.assertEqual([one.message for one in done.cautions], ["is odd"])
        self.assertEqual(self.logged, [])

    def test_order(self) -> None:
        """The command gets them over the control socket, as text."""
        service, _ = self.started("is odd")
        answer = self.successResultOf(
            Deferred.fromCoroutine(service._ordered_to_reload({"dry_run": True}))
        )
        text = "command line: plugins.odd.text: is odd (none is decrypted)"
        self.assertEqual(answer["cautions"], [{"text": text}])

    def test_fault(self) -> None:
        """A fault refuses a reload, and the gateway goes on as before."""
        service, _ = self.started("is odd")
        before = service.config
        failed = self.failureResultOf(self.reloaded(service, "wrong"), ReloadError)
        self.assertEqual([one.message for one in failed.value.faults], ["this can't work"])
        self.assertIs(service.config, before)

    def test_kit(self) -> None:
        """The test kit gives them without the name of a file."""
        gateway = FakeGateway(Odd, {"text": "is odd"}, mode="reverse")
        self.addCleanup(gateway.stop)
        self.assertEqual(gateway.cautions, ["plugins.odd.text: is odd (none is decrypted)"])
