"""Hot reload: new requests follow the new configuration, those under way end with the old one, and a failure changes nothing."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory

from gateway.api import Block, Plugin, Services, Transaction, hookimpl
from gateway.api.settings import Help
from gateway.config.load import load
from gateway.reload import Reloaded, ReloadError
from gateway.testing.harness import ORIGIN, Harness
from gateway.testing.peers import request, response
from tests.scenarios.plugins import OnRequest, OnUpstream
from tests.scenarios.support import URL, ScenarioTestCase


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """What a label says."""

    text: Annotated[str, Help("The label.")] = "one"
    fails: Annotated[bool, Help("Whether the start fails.")] = False
    refuses: Annotated[bool, Help("Whether requests are refused.")] = False


class Label(Plugin):
    """
    Puts its label on both halves of a transaction, so that a mixture of two snapshots shows.

    @cvar alive: all objects that exist.
    @cvar told: what happened to which, in order.
    @cvar starting: waited for by a start, if there is one.
    """

    name = "label"
    Settings = LabelSettings
    alive: ClassVar[WeakSet[Label]] = WeakSet()
    told: ClassVar[list[str]] = []
    starting: ClassVar[Deferred[None] | None] = None

    def __init__(self, settings: LabelSettings, services: Services) -> None:
        super().__init__(settings, services)
        self.alive.add(self)

    async def start(self) -> None:
        """Start, or not."""
        self.told.append(f"start {self.settings.text}")
        if self.settings.fails:
            raise LookupError("no directory")
        if self.starting is not None:
            await self.starting

    def stop(self) -> None:
        """Stop."""
        self.told.append(f"stop {self.settings.text}")

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | None:
        """Label the request."""
        txn.notes["request"] = self.settings.text
        return Block("refused") if self.settings.refuses else None

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Label the answer."""
        txn.notes["response"] = self.settings.text

    @hookimpl()
    def transaction_complete(self, txn: Transaction) -> None:
        """Label the end."""
        txn.notes["end"] = self.settings.text


class ReloadCase(ScenarioTestCase):
    """Reloads."""

    def setUp(self) -> None:
        Label.told.clear()
        Label.alive.clear()
        Label.starting = None

    def labelled(self, **settings: object) -> Harness:
        """Start a forward proxy with the label."""
        return self.forward(dict(settings), plugins={"label": Label})

    def reloaded(self, gateway: Harness, **settings: object) -> Reloaded:
        """Reload, which must succeed; underscores stand for dots."""
        done: Reloaded = self.successResultOf(gateway.reload(_dotted(settings)))
        return done

    def refused(self, gateway: Harness, **settings: object) -> str:
        """Reload, which must be refused; gives why."""
        return str(self.failureResultOf(gateway.reload(_dotted(settings)), ReloadError).value)

    def ask(self, client: Any) -> Any:
        """Send a request on a connection and give its answer."""
        before = len(client.responses())
        client.send(request(URL))
        answers = client.responses()
        self.assertEqual(len(answers), before + 1)
        return answers[-1]


def _dotted(settings: dict[str, object]) -> dict[str, object]:
    return {name.replace("__", "."): value for name, value in settings.items()}


class NewRequestsTests(ReloadCase):
    """What comes after the reload follows the new configuration."""

    def test_kept_connection(self) -> None:
        """The next request of a connection that was open before follows the new settings."""
        gateway = self.labelled()
        gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.assertEqual(self.ask(client).status, 200)
        self.reloaded(gateway, plugins__label__refuses=True)
        self.assertEqual(self.ask(client).status, 403)
        self.assertEqual(len(gateway.log), 2)

    def test_limit(self) -> None:
        """A smaller upload limit holds for the next request."""
        gateway = self.forward()
        gateway.origin(reply=response(b"taken"))
        client = gateway.client()
        upload = request(URL, method=b"POST", content=b"x" * 100)
        client.send(upload)
        self.assertEqual(client.response().status, 200)
        self.reloaded(gateway, limits__upload="50B")
        client.send(upload)
        self.assertEqual(client.responses(b"POST", b"POST")[-1].status, 413)

    def test_allow_from(self) -> None:
        """Whether a client may use the proxy is asked anew, although its connection was let in before."""
        gateway = self.forward()
        gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.assertEqual(self.ask(client).status, 200)
        self.reloaded(gateway, forward__allow_from=["198.51.100.0/24"])
        self.assertEqual(self.ask(client).status, 403)

    def test_forwarding_fields(self) -> None:
        """What was made of a head before is not used for the same head after the settings changed."""
        gateway = self.forward()
        origin = gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.ask(client)
        self.assertIsNone(origin.requests[-1].get("x-forwarded-for"))
        self.reloaded(gateway, network__xff="append", gateway__name="renamed")
        self.ask(client)
        self.assertEqual(origin.requests[-1].get("x-forwarded-for"), b"192.0.2.7")
        self.assertEqual(origin.requests[-1].get("via"), b"1.1 renamed")

    def test_connections(self) -> None:
        """How many connections there may be holds for the next one, and those that are open count."""
        gateway = self.forward()
        clients = [gateway.client() for _ in range(3)]
        self.reloaded(gateway, limits__connections=3)
        self.assertNotEqual(gateway.client().closed, "")
        clients[0].close()
        self.assertEqual(gateway.client().closed, "")

    def test_head_limit(self) -> None:
        """Limits of heads hold for the next head of an open connection."""
        gateway = self.forward()
        gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.assertEqual(self.ask(client).status, 200)
        self.reloaded(gateway, limits__fields=1)
        client.send(request(URL, b"A: 1", b"B: 2"))
        self.assertEqual(client.responses()[-1].status, 431)

    def test_site(self) -> None:
        """A site's requests go to the origins that it has now, on connections that were open before."""
        gateway = self.reverse()
        first = gateway.origin(reply=response(b"first"))
        second = gateway.origin("198.51.100.2", reply=response(b"second"))
        client = gateway.client()
        client.send(request(b"/"))
        self.assertEqual(client.response().content, b"first")
        site = {"host": ["*"], "origins": ["http://198.51.100.2"], "listen": ["192.0.2.1:80"]}
        self.successResultOf(gateway.reload({"site": [site]}))
        client.send(request(b"/"))
        self.assertEqual(client.responses()[-1].content, b"second")
        self.assertEqual((len(first.requests), len(second.requests)), (1, 1))


class UnderWayTests(ReloadCase):
    """What began before the reload ends as it began."""

    def test_no_mixture(self) -> None:
        """A transaction is judged by the plugin objects that it began with, to its end."""
        gateway = self.labelled()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        self.reloaded(gateway, plugins__label__text="two")
        origin.send(response(b"hello"))
        self.assertEqual(client.response().content, b"hello")
        self.assertEqual(gateway.line["notes"], {"request": "one", "response": "one", "end": "one"})
        self.assertEqual(Label.told, ["start one", "start two", "stop one"])

    def test_old_objects_wait(self) -> None:
        """The old plugin object is stopped after the last transaction that began with it, not before."""
        gateway = self.labelled()
        origin = gateway.origin()
        first, second = gateway.client(), gateway.client()
        first.send(request(URL))
        second.send(request(URL))
        done = self.reloaded(gateway, plugins__label__text="two")
        self.assertEqual(done.retiring, 1)
        self.assertEqual(Label.told, ["start one", "start two"])
        origin.connections[0].send(response(b"hello"))
        self.assertEqual(Label.told, ["start one", "start two"])
        origin.connections[1].send(response(b"hello"))
        self.assertEqual(Label.told, ["start one", "start two", "stop one"])

    def test_twenty_with_a_tunnel(self) -> None:
        """However many reloads there are, a tunnel keeps one old plugin object alive, and none when it has ended."""
        gateway = self.labelled(**{"forward.connect_ports": [80]})
        origin = gateway.origin()
        client = gateway.client()
        client.send(
            b"CONNECT origin.example.com:80 HTTP/1.1\r\nHost: origin.example.com:80\r\n\r\n"
        )
        self.assertTrue(client.received.startswith(b"HTTP/1.1 200"))
        for number in range(20):
            self.reloaded(gateway, plugins__label__text=f"number {number}")
        gc.collect()
        self.assertEqual(sorted(label.settings.text for label in Label.alive), ["number 19", "one"])
        origin.send(b"still there")
        self.assertTrue(client.received.endswith(b"still there"))
        client.close()
        origin.connection.close()
        gateway.settle()
        gc.collect()
        self.assertEqual([label.settings.text for label in Label.alive], ["number 19"])
        self.assertEqual(gateway.line["notes"]["end"], "one")

    def test_no_cycles(self) -> None:
        """An old plugin object goes when it is stopped; no collector of garbage is needed for it."""
        gateway = self.labelled()
        gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        gc.disable()
        self.addCleanup(gc.enable)
        for number in range(3):
            self.ask(client)
            self.reloaded(gateway, plugins__label__text=f"number {number}")
        self.assertEqual([label.settings.text for label in Label.alive], ["number 2"])

    def test_upstream_connection_kept(self) -> None:
        """A kept connection to an origin is used after a reload that says nothing new of the network."""
        gateway = self.labelled()
        origin = gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.ask(client)
        self.reloaded(gateway, plugins__label__text="two")
        self.ask(client)
        self.assertEqual(len(origin.connections), 1)

    def test_upstream_connection_dropped(self) -> None:
        """A kept connection to an address that is denied now is not used."""
        gateway = self.labelled()
        origin = gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.assertEqual(self.ask(client).status, 200)
        self.reloaded(gateway, forward__deny_destinations=[f"{ORIGIN}/32"])
        self.assertEqual(self.ask(client).status, 403)
        self.assertEqual(len(origin.requests), 1)
        self.assertEqual(gateway.upstream_connections, 0)

    def test_upstream_connection_judged(self) -> None:
        """Where plugins judge connections, one that was made before the reload is not used by requests after it."""
        plugin = OnUpstream(lambda txn, server: None)
        gateway = self.forward(plugins={"test": plugin})
        origin = gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.ask(client)
        plugin.says = lambda txn, server: Block("listed now")
        self.reloaded(gateway, limits__upload="1MiB")
        self.assertEqual(self.ask(client).status, 403)
        self.assertEqual(len(origin.requests), 1)

    def test_used_upstream_connection(self) -> None:
        """A connection in use during a reload that changes the network serves its transaction and is not kept."""
        gateway = self.labelled()
        origin = gateway.origin()
        client = gateway.client()
        client.send(request(URL))
        self.reloaded(gateway, forward__deny_destinations=["203.0.113.0/24"])
        origin.send(response(b"hello"))
        self.assertEqual(client.response().content, b"hello")
        gateway.settle()
        self.assertNotEqual(origin.connection.closed, "")


class RefusedTests(ReloadCase):
    """A reload that fails changes nothing and says why."""

    def test_faults(self) -> None:
        """Faults of a plugin's settings are told with their place, and the old settings go on."""
        gateway = self.labelled()
        gateway.origin(reply=response(b"hello"))
        why = self.refused(gateway, plugins__label__txt="two")
        self.assertIn("plugins.label.txt", why)
        self.assertIn('did you mean "text"?', why)
        self.assertEqual(self.ask(gateway.client()).status, 200)
        self.assertEqual(Label.told, ["start one"])

    def test_start_fails(self) -> None:
        """A plugin that does not start is stopped, and the one before it goes on."""
        gateway = self.labelled()
        gateway.origin(reply=response(b"hello"))
        why = self.refused(gateway, plugins__label__text="two", plugins__label__fails=True)
        self.assertEqual(why, "plugin label did not start: LookupError: no directory")
        self.assertEqual(Label.told, ["start one", "start two", "stop two"])
        self.ask(gateway.client())
        self.assertEqual(gateway.line["notes"]["request"], "one")
        gc.collect()
        self.assertEqual(len(Label.alive), 1)

    def test_address_taken(self) -> None:
        """A port that can't be opened is named; the new plugins are stopped, and ports opened with it are closed."""
        gateway = self.labelled()
        before = list(gateway.network.ports)
        other = gateway.network.listenTCP(8082, Factory(), interface="127.0.0.1")
        listen = ["127.0.0.1:8080", "127.0.0.1:8081", "127.0.0.1:8082"]
        why = self.refused(gateway, forward__listen=listen, plugins__label__text="two")
        self.assertIn("forward: can't listen on 127.0.0.1:8082", why)
        self.assertEqual(Label.told, ["start one", "start two", "stop two"])
        self.assertEqual(gateway.network.ports[:-1], before)
        other.stopListening()

    def test_mode_of_a_port(self) -> None:
        """A place can't go from one mode to the other while it is open."""
        gateway = self.forward()
        site = {"host": ["*"], "origins": ["http://198.51.100.1"], "listen": ["127.0.0.1:8080"]}
        why = self.refused(gateway, site=[site], forward__listen=[])
        self.assertIn("127.0.0.1:8080 is open for the forward proxy", why)

    def test_while_stopping(self) -> None:
        """A gateway that stops is not reloaded."""
        gateway = self.labelled()
        client = gateway.client()
        gateway.origin()
        client.send(request(URL))
        gateway.begin_stop()
        self.assertIn("the gateway is stopping", self.refused(gateway))
        client.reset()

    def test_stopped_meanwhile(self) -> None:
        """A reload whose plugins still start when the gateway is stopped has no effect, and its plugins are stopped."""
        gateway = self.labelled()
        Label.starting = Deferred()
        reloading = gateway.reload({"plugins.label.text": "two"})
        self.assertNoResult(reloading)
        gateway.begin_stop()
        Label.starting.callback(None)
        self.failureResultOf(reloading, ReloadError)
        gateway.stop()
        self.assertEqual(sorted(Label.told), ["start one", "start two", "stop one", "stop two"])

    def test_events(self) -> None:
        """Reloads and refusals are events."""
        gateway = self.labelled()
        told: list[str] = []
        service: Any = gateway.service
        service.generations._tell = lambda event: told.append(event.name)
        self.reloaded(gateway, plugins__label__text="two")
        self.refused(gateway, plugins__label__fails=True)
        self.assertEqual(told, ["config_reloaded", "config_refused"])


class ListenersTests(ReloadCase):
    """Ports open and close with the configuration."""

    def test_opened(self) -> None:
        """A new place is open at once and counted like the others."""
        gateway = self.labelled()
        gateway.origin(reply=response(b"hello"))
        self.reloaded(gateway, forward__listen=["127.0.0.1:8080", "127.0.0.1:8085"])
        self.assertEqual(self.ask(gateway.client(listener=1)).status, 200)

    def test_closed(self) -> None:
        """A place that is not named any more takes no connection; its connections end after what they do."""
        gateway = self.labelled(**{"forward.listen": ["127.0.0.1:8080", "127.0.0.1:8085"]})
        origin = gateway.origin()
        busy, idle = gateway.client(listener=1), gateway.client(listener=1)
        busy.send(request(URL))
        self.reloaded(gateway, forward__listen=["127.0.0.1:8080"])
        self.assertEqual(len(gateway.network.ports), 1)
        self.assertNotEqual(idle.closed, "")
        origin.send(response(b"hello"))
        answer = busy.response()
        self.assertEqual((answer.status, answer.get("connection")), (200, b"close"))

    def test_dry_run(self) -> None:
        """A dry run says what would change and what it takes, and does nothing."""
        gateway = self.labelled()
        service: Any = gateway.service
        config = service.config
        said = {
            **gateway._said,
            "plugins.label.text": "two",
            "gateway.user": "nobody",
            "forward.listen": ["127.0.0.1:8080", "127.0.0.1:8085"],
        }
        done = self.successResultOf(service.reload(lambda: load(None, said, {}), dry_run=True))
        self.assertEqual(
            [(change.path, change.effect) for change in done.changes],
            [
                ("127.0.0.1:8085", "listener"),
                ("plugins.label.text", "plugin"),
                ("gateway.user", "restart"),
            ],
        )
        self.assertIs(service.config, config)
        self.assertEqual(Label.told, ["start one"])
        self.assertEqual(len(gateway.network.ports), 1)

    def test_restart_is_remembered(self) -> None:
        """What needs a restart is named by every reload until there was one."""
        gateway = self.labelled()
        for _ in range(2):
            done = self.reloaded(gateway, gateway__user="nobody")
            self.assertEqual([change.path for change in done.changes], ["gateway.user"])


class EmbeddedTests(ReloadCase):
    """Plugin objects that somebody else made."""

    def test_object_stays(self) -> None:
        """An object that was handed in serves before and after, and is neither started nor stopped again."""
        plugin = OnRequest()
        gateway = self.forward(plugins={"test": plugin})
        gateway.origin(reply=response(b"hello"))
        client = gateway.client()
        self.ask(client)
        self.reloaded(gateway, limits__upload="1MiB")
        self.ask(client)
        self.assertEqual(len(plugin.asked), 2)
