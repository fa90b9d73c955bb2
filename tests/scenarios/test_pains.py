"""
What hurts authors of plugins elsewhere and must not hurt here, one test for each.

Each test is the shortest proof; the rules behind it have tests of their own next to the code.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Annotated, Any

from twisted.internet.defer import Deferred

from gateway.api import (
    Allow,
    Block,
    Client,
    Delivered,
    Infected,
    Key,
    Need,
    Plugin,
    PluginError,
    Refused,
    Response,
    ScanJob,
    Server,
    Side,
    Transaction,
    Unscannable,
    Whole,
    hookimpl,
)
from gateway.api.settings import Help
from gateway.config.faults import ConfigError
from gateway.config.load import load
from gateway.service import GatewayService
from gateway.testing import FakeGateway, check_plugin
from gateway.testing.network import MemoryNetwork
from gateway.testing.peers import request, response
from tests.scenarios.packages import install
from tests.scenarios.plugins import Base, OnRequest, OnResponse
from tests.scenarios.support import URL, ScenarioTestCase

SITE = "http://www.example.com/"
CONNECT = request(b"origin.example.com:443", method=b"CONNECT")

#: A plugin of three modules, the innermost of which a test changes.
WORDS = 'WORD = "{word}"\n'
RULES = "from pains_package.words import WORD\n\ndef rule():\n    return WORD\n"
PLUGIN = """
from gateway.api import Block, Plugin, hookimpl
from pains_package.rules import rule

class Says(Plugin):
    name = "pains"

    @hookimpl()
    def request_headers(self, txn):
        txn.notes["word"] = rule()

    @hookimpl()
    def transaction_complete(self, txn):
        txn.notes["end"] = rule()
"""


class Raises(Base):
    """Raises in one hook and has no opinion in the others."""

    name = "raises"

    def __init__(self, hook: str) -> None:
        super().__init__()
        self.hook = hook

    def ask(self, hook: str) -> None:
        """
        Raise, if this is the hook.

        @raise ZeroDivisionError: it is.
        """
        self.asked.append(hook)
        if hook == self.hook:
            raise ZeroDivisionError(hook)

    @hookimpl()
    def client_connected(self, client: Client) -> None:
        """Raise or not."""
        return self.ask("client_connected")

    @hookimpl()
    def authenticate(self, txn: Transaction) -> None:
        """Raise or not."""
        return self.ask("authenticate")

    @hookimpl()
    def request_headers(self, txn: Transaction) -> None:
        """Raise or not."""
        return self.ask("request_headers")

    @hookimpl()
    def request_filters(self, txn: Transaction) -> None:
        """Raise or not."""
        return self.ask("request_filters")

    @hookimpl()
    def select_upstream(self, txn: Transaction) -> None:
        """Raise or not."""
        return self.ask("select_upstream")

    @hookimpl()
    def upstream_connected(self, txn: Transaction, server: Server) -> None:
        """Raise or not."""
        return self.ask("upstream_connected")

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Raise or not."""
        return self.ask("response_headers")

    @hookimpl()
    def response_filters(self, txn: Transaction) -> None:
        """Raise or not."""
        return self.ask("response_filters")


#: Hooks that judge before the request goes out, and those that judge the answer.
BEFORE = (
    "client_connected",
    "authenticate",
    "request_headers",
    "request_filters",
    "select_upstream",
    "upstream_connected",
)
AFTER = ("response_headers", "response_filters")


class Scanner(Base):
    """Wants content whole and says what the test says."""

    name = "scanner"

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want up to 1000 bytes of it."""
        return Whole(1000)

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Any:
        """Ask the test."""
        self.asked.append(job)
        return self.says(job)


class OtherScanner(Scanner):
    """Another one."""

    name = "other_scanner"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """Hosts that are refused."""

    hosts: Annotated[tuple[str, ...], Help("Hosts that are refused.")] = ()


class Hosts(Plugin):
    """Refuses hosts; keeps and counts what it can, for one test or another."""

    name = "hosts"
    Settings = HostSettings
    SEEN: Key[int] = Key("hosts.seen")

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | None:
        """Refuse those listed."""
        txn.store[self.SEEN] = len(txn.request.host)
        if txn.request.host in self.settings.hosts:
            return Block("host is listed")
        return None


class Uses(Plugin):
    """Uses every service."""

    name = "uses"
    SCORE: Key[str] = Key("uses.score")

    def start(self) -> None:
        """Begin a job and make a metric."""
        self.asked_again = 0
        self.hits = self.services.metrics.counter("hits_total", "Requests scored.")
        self.services.every(60.0, self.ask_again)

    def ask_again(self) -> None:
        """Count the runs of the job."""
        self.asked_again += 1

    @hookimpl()
    async def request_headers(self, txn: Transaction) -> None:
        """Score the host by another server, once."""
        name = txn.request.host
        score = await self.services.store.get(name)
        if score is None:
            answer = await self.services.http.request("GET", f"http://scores.example/{name}")
            score = answer.content
            await self.services.store.set(name, score, ttl_seconds=60.0)
        txn.store[self.SCORE] = score.decode()
        self.hits.inc()
        self.services.log.info("{host} has the score {score}", host=name, score=score.decode())

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Tell the score in the log line."""
        txn.notes["score"] = txn.store[self.SCORE]


class PainTests(ScenarioTestCase):
    """P1 to P12."""

    def test_p1_one_blocking_hook_stalls_every_flow(self) -> None:
        """A hook that waits keeps its own transaction only; in a thread it may block as long as it wants."""
        waiting: dict[str, Deferred[None]] = {}

        def wait(txn: Transaction) -> Deferred[None] | None:
            if txn.request.path == "/slow":
                waiting["slow"] = Deferred()
            return waiting.get("slow") if txn.request.path == "/slow" else None

        gateway = self.forward(plugins={"test": OnRequest(wait)})
        gateway.origin(reply=response(b"hello"))
        slow, quick = gateway.client(), gateway.client()
        slow.send(request(URL + b"slow"))
        quick.send(request(URL))
        self.assertEqual((slow.received, quick.response().status), (b"", 200))
        waiting["slow"].callback(None)
        gateway.settle()
        self.assertEqual(slow.response().status, 200)

        fake = FakeGateway(Blocks)
        fake.origin[SITE] = Response(200, content=b"hello")
        fake.origin[SITE + "slow"] = Response(200, content=b"hello")
        fake.threads.hold()
        held = fake.get(SITE + "slow")
        self.assertEqual(self.successResultOf(fake.get(SITE)).status, 200)
        self.assertNoResult(held)
        fake.threads.release()
        self.assertEqual(self.successResultOf(held).status, 200)
        fake.stop()

    def test_p2_exception_in_a_hook_lets_the_request_through(self) -> None:
        """Whichever security hook raises, nothing reaches the origin, in all modes; what is judged later does not pass."""
        post = request(URL, method=b"POST", content=b"content")
        inner = request(b"/", method=b"POST", content=b"content")
        for mode, sent in (("forward", post), ("reverse", inner), ("forward", CONNECT)):
            for hook in (*BEFORE, *AFTER):
                if sent is CONNECT and hook in ("request_filters", *AFTER):
                    continue
                plugin = Raises(hook)
                gateway = getattr(self, mode)(plugins={"raises": plugin})
                origins = gateway.origin(reply=response(b"secret")), gateway.origin(port=443)
                client = gateway.client()
                client.send(sent + (b"through the tunnel" if sent is CONNECT else b""))
                gateway.settle()
                self.assertIn(hook, plugin.asked)
                arrived = b"".join(
                    connection.received for origin in origins for connection in origin.connections
                )
                self.assertNotIn(b"secret", client.received, hook)
                if hook in BEFORE:
                    self.assertEqual(arrived, b"", f"{mode}: {hook}")
                if hook != "client_connected":
                    expected = 502 if hook == "select_upstream" else 503
                    self.assertEqual(gateway.line["status"], expected, f"{mode}: {hook}")
                self.flushLoggedErrors(ZeroDivisionError, PluginError)

    def test_p2_five_in_a_row(self) -> None:
        """Five errors in a row make the plugin unhealthy, which operators see; the others run on, and nothing gets by."""
        watcher = OnRequest()
        broken = Raises("request_headers")
        gateway = self.forward(plugins={"test": watcher, "raises": broken})
        origin = gateway.origin(reply=response(b"secret"))
        for _ in range(7):
            gateway.client().send(request(URL))
        self.assertEqual((len(watcher.asked), origin.connections), (7, []))
        found = gateway.service.recorder.exposition().text()
        where = b'{hook="request_headers",plugin="raises"}'
        self.assertIn(b"gateway_plugin_unhealthy%b 1.0\n" % where, found)
        self.assertIn(b"gateway_plugin_errors_total%b 7.0\n" % where, found)
        broken.hook = ""
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().status, 200)
        found = gateway.service.recorder.exposition().text()
        self.assertIn(b"gateway_plugin_unhealthy%b 0.0\n" % where, found)
        self.flushLoggedErrors(ZeroDivisionError, PluginError)

    def test_p3_streaming_disables_hooks_of_the_body(self) -> None:
        """A plugin that wants content whole gets it, however it comes; what is too long for it does not pass in silence."""
        for content in (b"12345678" * 100, b"12345678" * 1000):
            scanner = Scanner(lambda job: Infected("EICAR", "test"))
            gateway = self.forward(plugins={"scanner": scanner})
            origin = gateway.origin()
            client = gateway.client()
            client.send(request(URL))
            origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for begin in range(0, len(content), 80):
                origin.send(b"50\r\n" + content[begin : begin + 80] + b"\r\n")
            origin.send(b"0\r\n\r\n")
            gateway.settle()
            self.assertNotIn(b"12345678", client.received)
            # The one that is too long was refused without being looked at.
            self.assertEqual(len(scanner.asked), int(len(content) <= 1000))
            self.assertEqual(gateway.line["outcome"], "refused")

    def test_p4_reload_of_one_file_only(self) -> None:
        """A reload takes in every module of a plugin's package; what runs ends with the old ones; a bad one changes nothing."""
        files = {"words.py": WORDS.format(word="one"), "rules.py": RULES, "plugin.py": PLUGIN}
        folder = install(self, "pains_package", files, {"pains": "pains_package.plugin:Says"})
        gateway = self.forward({"plugins.enabled": ["pains"]})
        origin = gateway.origin()
        service: Any = gateway.service
        running, later, last = gateway.client(), gateway.client(), gateway.client()
        running.send(request(URL + b"1"))
        (folder / "words.py").write_text(WORDS.format(word="another"))
        self.successResultOf(service.reload(fresh=True))
        later.send(request(URL + b"2"))
        (folder / "rules.py").write_text("this is no Python\n")
        self.failureResultOf(service.reload(fresh=True))
        last.send(request(URL + b"3"))
        for connection in origin.connections:
            connection.send(response(b"ok"))
        found = {line["url"][-1]: line["notes"] for line in gateway.log}
        self.assertEqual(found["1"], {"word": "one", "end": "one"})
        self.assertEqual(found["2"], {"word": "another", "end": "another"})
        self.assertEqual(found["3"], {"word": "another", "end": "another"})

    def test_p5_plugins_are_files_in_folders(self) -> None:
        """An installed package brings plugins by entry points, and none of its code runs before it is enabled."""
        files = {"words.py": WORDS.format(word="one"), "rules.py": RULES, "plugin.py": PLUGIN}
        install(self, "pains_package", files, {"pains": "pains_package.plugin:Says"})
        gateway = self.forward({"plugins.enabled": []})
        gateway.origin(reply=response(b"ok"))
        gateway.client().send(request(URL))
        self.assertNotIn("pains_package", sys.modules)
        self.assertEqual(gateway.line["notes"], {})
        other = self.forward({"plugins.enabled": ["pains"]})
        other.origin(reply=response(b"ok"))
        other.client().send(request(URL))
        self.assertEqual(other.line["notes"]["word"], "one")

    def test_p6_misspelt_options_are_ignored(self) -> None:
        """A setting that a plugin does not know stops the start, with its line and the name that was meant."""
        file = self.mktemp()
        with open(file, "w") as toml:
            toml.write(
                '[plugins]\nenabled = ["upload_limit"]\n\n[plugins.upload_limit]\nlimt = "1MB"\n'
            )
        config = load(file, {}, {})
        error = self.assertRaises(ConfigError, GatewayService, config, MemoryNetwork())
        (fault,) = error.faults
        self.assertIn(":5", str(fault))
        self.assertIn("plugins.upload_limit.limt", str(fault))
        self.assertIn('"limit"', str(fault))

    def test_p7_order_is_a_matter_of_luck(self) -> None:
        """The list in the configuration is the order of every hook, and nothing else is."""
        for names in (["test", "second", "third"], ["third", "test", "second"]):
            asked: list[str] = []

            def noting(name: str, asked: list[str] = asked) -> Any:
                made = type(name, (OnRequest,), {"name": name})
                return made(lambda txn: asked.append(name))

            plugins = {name: noting(name) for name in ("second", "third", "test")}
            gateway = self.forward(plugins={name: plugins[name] for name in names})
            gateway.origin(reply=response(b"ok"))
            gateway.client().send(request(URL))
            self.assertEqual(asked, names)

    def test_p8_no_async(self) -> None:
        """Every kind of function is called as it wants: in turn where the first opinion counts, at once where all do."""
        first: Deferred[Block | None] = Deferred()

        async def coroutine(txn: Transaction) -> Block | None:
            return await first

        other = type("Other", (OnRequest,), {"name": "other"})()
        gateway = self.forward(plugins={"test": OnRequest(coroutine), "other": other})
        gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(other.asked, [])
        first.callback(None)
        gateway.settle()
        self.assertEqual((len(other.asked), client.response().status), (1, 200))

        answers: list[Deferred[Any]] = [Deferred(), Deferred()]
        scanners = Scanner(lambda job: answers[0]), OtherScanner(lambda job: answers[1])
        gateway = self.forward(plugins={"scanner": scanners[0], "other_scanner": scanners[1]})
        gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual([len(one.asked) for one in scanners], [1, 1])
        answers[1].callback(Infected("EICAR", "test"))
        answers[0].callback(Unscannable("encrypted"))
        gateway.settle()
        self.assertEqual(client.response().status, 403)

    def test_p9_one_request_looks_different_in_each_hook(self) -> None:
        """One object of one class goes through all hooks in all modes, and what one plugin changes the next one finds."""
        seen: list[Transaction] = []

        def change(txn: Transaction) -> None:
            seen.append(txn)
            txn.request.fields.set("X-Seen", "1")

        def look(txn: Transaction) -> None:
            seen.append(txn)
            self.assertEqual(txn.request.fields.get("X-Seen"), "1")

        for mode, sent, method in (
            ("forward", request(URL), "GET"),
            ("reverse", request(b"/"), "GET"),
            ("forward", CONNECT, "CONNECT"),
        ):
            seen.clear()
            later = type("Later", (OnRequest,), {"name": "later"})(look)
            answers = type("Answers", (OnResponse,), {"name": "answers"})(look)
            plugins = {"test": OnRequest(change), "later": later, "answers": answers}
            gateway = getattr(self, mode)(plugins=plugins)
            origin = gateway.origin(reply=response(b"ok"))
            gateway.origin(port=443)
            client = gateway.client()
            client.send(sent)
            self.assertEqual(len(seen), 2 if method == "CONNECT" else 3)
            self.assertTrue(all(txn is seen[0] for txn in seen))
            self.assertEqual(seen[0].request.method, method)
            if method == "GET":
                self.assertEqual(origin.request.get("x-seen"), b"1")
            client.close()

    def test_p10_who_wins_is_written_nowhere(self) -> None:
        """The first opinion counts and later plugins are not asked; an Allow ends its own phase only; types tell answers apart."""
        later = type("Later", (OnRequest,), {"name": "later"})(lambda txn: Block("too late"))
        judge = type("Judge", (OnResponse,), {"name": "judge"})(lambda txn: Block("not this one"))
        allows = OnRequest(lambda txn: Allow("known"))
        gateway = self.forward(plugins={"test": allows, "later": later, "judge": judge})
        gateway.origin(reply=response(b"ok"))
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual((later.asked, client.response().status), ([], 403))
        for neither in (True, False):
            gateway = self.forward(plugins={"test": OnRequest(lambda txn, it=neither: it)})
            client = gateway.client()
            client.send(request(URL))
            self.assertEqual(client.response().status, 503)
            self.flushLoggedErrors(TypeError, PluginError)

    def test_p11_plugins_can_not_be_tested(self) -> None:
        """A plugin is tried in a whole gateway in memory, in three lines; and what an operator would run into is found."""
        gateway = FakeGateway(Hosts, HostSettings(hosts=("bad.example",)))
        gateway.origin["http://good.example/"] = Response(200, content=b"hello")
        seen = self.successResultOf(gateway.get("http://bad.example/"))
        self.assertEqual(
            (seen.outcome, seen.reached_origin), (Refused(Block("host is listed")), False)
        )
        seen = self.successResultOf(gateway.get("http://good.example/"))
        self.assertEqual((seen.outcome, seen.content), (Delivered(), b"hello"))
        gateway.stop()
        files = {"words.py": WORDS.format(word="one"), "rules.py": RULES, "plugin.py": PLUGIN}
        folder = install(self, "pains_package", files, {"pains": "pains_package.plugin:Says"})
        (folder.parent / "README.md").write_text("# Says\n")
        says = importlib.import_module("pains_package.plugin").Says
        self.assertEqual(check_plugin(says), [])
        (folder.parent / "README.md").unlink()
        self.assertIn("README", check_plugin(says)[0])

    def test_p12_no_store_no_client_no_jobs(self) -> None:
        """State of a transaction, a store, a client, a job, numbers and a log: a plugin has them all, under its own name."""
        gateway = FakeGateway(Uses)
        gateway.origin[SITE] = Response(200, content=b"hello")
        gateway.http["http://scores.example/www.example.com"] = Response(200, content=b"42")
        for _ in range(2):
            seen = self.successResultOf(gateway.get(SITE))
            self.assertEqual((seen.status, seen.notes["score"]), (200, "42"))
        self.assertEqual(len(gateway.http.requests), 1)
        metrics: Any = gateway.services.metrics
        self.assertEqual(metrics.value("hits_total"), 2)
        self.assertEqual(gateway.log, ["www.example.com has the score 42"] * 2)
        gateway.clock.advance(60.0)
        plugin: Any = gateway.plugin
        self.assertEqual(plugin.asked_again, 1)
        self.assertEqual(self.successResultOf(gateway.get(SITE)).status, 200)
        self.assertEqual(len(gateway.http.requests), 2)
        gateway.stop()


class Blocks(Plugin):
    """Looks at content in a thread, which may take its time."""

    name = "blocks"

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want what is slow."""
        return Whole(1000) if txn.request.path == "/slow" else Need()

    @hookimpl(thread="scan")
    def scan_content(self, job: ScanJob) -> None:
        """Take as long as the thread does."""
