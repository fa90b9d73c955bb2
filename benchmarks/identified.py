"""
What it costs to know who is asking: kept-alive requests of users who are known already, beside the same requests of nobody.

One gateway for each way to be known, and two for nobody: without the plugin C{auth}, and with it where the network's policy asks
nobody. They work in turn, a tenth of a second each, within each round; differences are taken within a round, so that a busy moment shifts all.

A cookie is sealed here by the key that the gateway has in its settings, as another node would. The handshake of a connection
that Negotiate or NTLM has identified needs a realm and more than wrk can say, so it is left out: a plugin that is installed for
this run alone notes each new connection as the handshake would have done.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import bcrypt

from benchmarks import load
from benchmarks.compare import Plan, compare
from benchmarks.load import Requests
from benchmarks.origins import SMALL_BYTES
from benchmarks.peers import GATEWAY, REPOSITORY, Peer, Ports, Role
from benchmarks.programs import Cores
from benchmarks.results import Series, costs, write
from benchmarks.scenarios import PER_REQUEST, Scenario
from gateway.api import Client, Fields, Identity, Request, Timings, Transaction
from gateway_auth.cookies import Origin
from gateway_auth.keys import read_keys
from gateway_auth.sessions import Session, binding, written
from gateway_auth.tokens import Tokens

#: What an identified request may cost more than an anonymous one.
LIMIT_US = 10.0
USER, PASSWORD = "anna", "benchmark"
KEY = "benchmark-benchmark-benchmark-benchmark"
LIFE_SECONDS = 28800.0
SITE = "www.example.com"
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_COOKIES = "session=0123456789abcdef0123456789abcdef; theme=dark"
_BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

_CONNECTIONS = '''
"""Notes each connection as one that NTLM has identified."""

from gateway.api import Client, Identity, Plugin, hookimpl
from gateway_auth.connections import SHOWN, Shown


class Known(Plugin):
    """Knows everybody."""

    name = "benchmark_known"

    @hookimpl()
    def client_connected(self, client: Client) -> None:
        """Note it."""
        client.store[SHOWN] = Shown(Identity("anna", frozenset(), "ntlm"), 1e12, client.address)
'''


@dataclass(frozen=True, slots=True)
class Way:
    """
    One way to be known, or none.

    @ivar role: forward or reverse proxy.
    @ivar settings: of the plugin C{auth}, as TOML; C{None}: without it. C{@DIR@} is the folder of the gateway's state.
    @ivar basic: each request has Basic.
    @ivar cookie: each request has the origin's cookie.
    @ivar taught: the address is shown by Basic before the others come.
    @ivar more: further plugins.
    """

    name: str
    role: Role
    settings: str | None
    basic: bool = False
    cookie: bool = False
    taught: bool = False
    more: tuple[str, ...] = ()

    @property
    def anonymous(self) -> bool:
        """Tell whether it is none."""
        return self.settings is None or 'policy = "off"' in self.settings


_USERS = 'users = "@DIR@/users"\n'
_COOKIE_MODE = (
    f'{_USERS}ip_cache = 0\ncookie = "8h"\ncookies = {{ keys = {{ file = "@DIR@/keys" }} }}\n'
)
_SITES = f'sites = {{ hosts = ["{SITE}"] }}\n'

FORWARD: tuple[Way, ...] = (
    Way("no plugin", Role.FORWARD, None),
    Way("off", Role.FORWARD, f'{_USERS}policy = "off"\n'),
    Way("basic", Role.FORWARD, f'{_USERS}order = ["basic"]\nip_cache = 0\n', basic=True),
    Way("basic and address", Role.FORWARD, f'{_USERS}order = ["basic"]\n', basic=True),
    Way(
        "address",
        Role.FORWARD,
        f'{_USERS}order = ["basic"]\naddresses = {{ probation = 0, probation_every = 0 }}\n',
        taught=True,
    ),
    Way("cookie", Role.FORWARD, _COOKIE_MODE, cookie=True),
    Way(
        "connection",
        Role.FORWARD,
        'order = ["ntlm"]\nip_cache = 0\nntlm = { enabled = true, helper = ["/bin/cat"] }\n',
        more=("benchmark_known",),
    ),
)
REVERSE: tuple[Way, ...] = (
    Way("no plugin", Role.REVERSE, None),
    Way("off", Role.REVERSE, f'{_USERS}policy = "off"\n{_SITES}'),
    Way("cookie", Role.REVERSE, f"{_COOKIE_MODE}{_SITES}", cookie=True),
    Way("basic", Role.REVERSE, f'{_USERS}order = ["basic"]\nip_cache = 0\n{_SITES}', basic=True),
)
SCENARIOS: tuple[tuple[str, str, tuple[Way, ...], bool], ...] = (
    ("forward", "Forward proxy, 1 KB answers, the same fields in each request", FORWARD, False),
    (
        "forward-varied",
        "Forward proxy, 1 KB answers, another Referer in each request",
        FORWARD,
        True,
    ),
    ("reverse", "Reverse proxy, 1 KB answers, the same fields in each request", REVERSE, False),
)
NAMES: tuple[str, ...] = tuple(name for name, *_ in SCENARIOS)


@dataclass(frozen=True, slots=True)
class Difference:
    """
    What one way costs more than another.

    @ivar us: median over the rounds that both took part in; C{None}: there is none.
    @ivar least: the least of them.
    @ivar most: the most of them.
    """

    us: float | None
    least: float = 0.0
    most: float = 0.0

    def __str__(self) -> str:
        """Write it with its range."""
        return "-" if self.us is None else f"{self.us:+.1f} ({self.least:+.1f} to {self.most:+.1f})"


def identified(
    state: Path,
    cores: Cores,
    port_base: int,
    names: list[str],
    rounds: int,
    seconds: float,
    out: Path,
    say: Callable[[str], None],
) -> int:
    """Measure and report; the exit code is 0 if no way costs more than L{LIMIT_US} a request above nobody."""
    packages = state / "packages"
    _install(packages)
    good = True
    told: dict[str, dict[str, list[float]]] = {}
    for name, title, ways, varied in SCENARIOS:
        if name not in names:
            continue
        plan = Plan(
            scenarios=[_scenario(name, title, ways, varied)],
            peers=[_peer(way, packages) for way in ways],
            rounds=rounds,
            seconds=seconds,
            connections=0,
            port_base=port_base,
            cores=cores,
            state=state / f"run-{name}",
        )
        plan.state.mkdir()
        plan.state.chmod(0o755)
        row = compare(plan, say)[name]
        good = report(ways, row, say) and good
        told[name] = costs(row)
    write(out, "identified", {"limit_us": LIMIT_US, "us_per_request": told})
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def report(ways: tuple[Way, ...], row: Mapping[str, Series], say: Callable[[str], None]) -> bool:
    """Print a table; tell whether all ways were measured, without errors, and none is too dear."""
    good = True
    say(f"{'':<20}{'us/request':>11}{'errors':>8}   more than without the plugin   more than off")
    for way in ways:
        series = row[way.name]
        if series.failure or series.cost is None:
            say(f"{way.name:<20}{series.failure or 'not measured'}")
            good = False
            continue
        bare, off = (difference(series, row[name]) for name in ("no plugin", "off"))
        within = way.anonymous or (off.us is not None and off.us <= LIMIT_US)
        good = good and within and not series.errors
        say(
            f"{way.name:<20}{series.cost:>11.1f}{series.errors:>8}   {bare!s:<27}   {off!s:<25}"
            f"{'' if within else f' more than {LIMIT_US:g}'}"
        )
    return good


def difference(ours: Series, theirs: Series) -> Difference:
    """Give what ours costs more than theirs in the same round, median and range."""
    other = {cell.round: cell.cost for cell in theirs.cells}
    found = [cell.cost - other[cell.round] for cell in ours.cells if cell.round in other]
    return Difference(median(found), min(found), max(found)) if found else Difference(None)


def lines(way: Way, web_origin: int, varied: bool = False) -> list[str]:
    """Give target and field lines of a request, as C{wrk/lines.lua} takes them."""
    host = f"127.0.0.1:{web_origin}" if way.role is Role.FORWARD else SITE
    cookies = _COOKIES
    if way.cookie:
        origin = (
            Origin("http", "127.0.0.1", web_origin)
            if way.role is Role.FORWARD
            else Origin("http", SITE, 80)
        )
        cookies = f"{cookies}; {origin.cookie()}={sealed(origin)}"
    found = [
        f"http://{host}/1k" if way.role is Role.FORWARD else "/1k",
        f"Host: {host}",
        f"User-Agent: {_AGENT}",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "Accept-Language: en-US,en;q=0.5",
        "Accept-Encoding: gzip, deflate, br",
        f"Referer: http://{host}/some/page{'-@N@' if varied else ''}.html",
        f"Cookie: {cookies}",
        "Connection: keep-alive",
        "Upgrade-Insecure-Requests: 1",
        "Sec-Fetch-Dest: document",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-Site: same-origin",
        "Pragma: no-cache",
        "Cache-Control: no-cache",
    ]
    if way.basic:
        name = "Proxy-Authorization" if way.role is Role.FORWARD else "Authorization"
        found.append(f"{name}: Basic {_BASIC}")
    return found


def sealed(origin: Origin) -> str:
    """Give the cookie of an origin, as a node with the same key would set it now."""
    fields = Fields.of([("User-Agent", _AGENT)])
    request = Request(b"GET", origin.scheme, origin.host, origin.port, b"/", 1, fields, 0)
    txn = Transaction(
        "1", request, Client("127.0.0.1", 1, mode="forward"), Timings(time.time(), 0.0)
    )
    session = Session.begin(
        Identity(USER, frozenset(), "form"), time.time(), binding(txn, to_address=False)
    )
    tokens = Tokens(read_keys(KEY), time.time)
    return tokens.seal("cookie", str(origin), written(*session.packed()), LIFE_SECONDS)


def configured(way: Way, text: str, state: Path) -> str:
    """Put the plugin and its settings into a gateway's configuration."""
    before, _, after = text.partition("[plugins]\n")
    rest = after.partition("\n")[2]
    names = [*way.more, *(["auth"] if way.settings is not None else []), "upload_limit"]
    section = ""
    if way.settings is not None:
        section = f"\n[plugins.auth]\n{way.settings.replace('@DIR@', str(state))}"
    return f"{before}[plugins]\nenabled = {json.dumps(names)}\n{rest}{section}"


def _peer(way: Way, packages: Path) -> Peer:
    def command(path: str, state: Path, role: Role) -> list[str]:
        (state / "users").write_text(
            f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n"
        )
        (state / "keys").write_text(f"{KEY}\n")
        file = state / "gateway.toml"
        file.write_text(configured(way, file.read_text(), state))
        return GATEWAY.command(path, state, role)

    return dataclasses.replace(
        GATEWAY,
        name=way.name,
        command=command,
        environment={"PYTHONPATH": f"{packages}:{REPOSITORY}:{REPOSITORY / 'plugins'}"},
    )


def _scenario(name: str, title: str, ways: tuple[Way, ...], varied: bool) -> Scenario:
    by_name = {way.name: way for way in ways}
    role = ways[0].role

    def launch(peer: Peer, ports: Ports, seconds: float) -> Requests:
        way = by_name[peer.name]
        entrance = peer.entrance(role, ports)
        asked = lines(way, ports.web_origin, varied)
        if way.taught or way.basic:
            _ask(entrance, [*lines(dataclasses.replace(way, basic=True), ports.web_origin)])
        return load.requests(entrance, "lines", asked, seconds, SMALL_BYTES)

    return Scenario(name, title, (role,), PER_REQUEST, launch=launch)


def _ask(port: int, asked: list[str]) -> None:
    """
    Ask once.

    @raise LoadFailed: the answer is no 200.
    """
    text = "\r\n".join([f"GET {asked[0]} HTTP/1.1", *asked[1:]])
    with socket.create_connection(("127.0.0.1", port), 15) as client:
        client.sendall(f"{text}\r\n\r\n".encode())
        load.read_answer(client)


def _install(folder: Path) -> None:
    """Write the module of a plugin and what an installer would write beside it."""
    folder.mkdir(parents=True)
    (folder / "gateway_benchmark_known.py").write_text(_CONNECTIONS.lstrip())
    described = folder / "gateway_benchmark_known-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gateway-benchmark-known\nVersion: 1.0\n"
    )
    (described / "entry_points.txt").write_text(
        "[gateway.plugins]\nbenchmark_known = gateway_benchmark_known:Known\n"
    )
