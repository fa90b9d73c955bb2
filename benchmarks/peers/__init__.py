"""
The proxies that are compared: how each is found, configured from its file in this folder, and started.

Each configuration is the peer's own best for the work at hand, as a careful administrator would tune it: one worker or thread,
kept-alive upstream connections, access log on; a cache where it is caches that are compared, and none otherwise. Words between
C{@} signs in the files are filled in here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from benchmarks.programs import Cores, Program, find

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
VENVS = HERE.parent / "venvs"
#: In the folder of certificates: certificate and key of a CA for peers that decrypt and don't make their own.
AUTHORITY_FILE = "authority.pem"


class Role(Enum):
    """What a proxy is asked to be."""

    REVERSE = "reverse"
    FORWARD = "forward"
    CONNECT = "connect"
    TERMINATE = "terminate"
    INTERCEPT = "intercept"
    CACHE = "cache"
    SCAN = "scan"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one proxy and of the origins behind it, all on 127.0.0.1."""

    forward: int
    reverse: int
    relay: int
    health: int
    secure: int
    tunnel_origin: int
    web_origin: int
    tls_origin: int
    icap: int
    clamd: int

    @property
    def clamd_socket(self) -> Path:
        """Give where clamd listens as well; the path of a unix socket has to be short."""
        return Path(tempfile.gettempdir(), f"gateway-benchmarks-clamd-{self.clamd}.sock")

    @classmethod
    def numbered(cls, base: int, index: int) -> Ports:
        """
        Give the ports of the peer with this index.

        Each has a tunnel origin of its own, so that one peer's closed connections (TIME_WAIT) do not use up another's ports.
        """
        first = base + 10 * index
        return cls(
            forward=first,
            reverse=first + 1,
            relay=first + 2,
            health=first + 3,
            secure=first + 5,
            tunnel_origin=first + 4,
            web_origin=base + 900,
            tls_origin=base + 910,
            icap=first + 6,
            clamd=base + 920,
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One proxy.

    @ivar command: gives the command line for a role, from the program's path and the folder of its state.
    @ivar templates: files of this folder to fill in, by role.
    @ivar bare_relay: it has no CONNECT; in that role it is a plain TCP relay and clients speak to it directly.
    @ivar install: what a user does to get it.
    @ivar authority: the file with the CA that it signs with when it decrypts, in the folder of its state. A pattern: it makes one of
        its own; otherwise that of the run is put there.
    """

    name: str
    program: str
    roles: frozenset[Role]
    command: Callable[[str, Path, Role], list[str]]
    templates: Mapping[Role, tuple[str, ...]]
    version: tuple[str, ...]
    install: str
    venv: str = ""
    bare_relay: bool = False
    environment: Mapping[str, str] | None = None
    authority: str = ""

    def path(self) -> str | None:
        """Give the program's path, None if it is not installed."""
        return find(
            self.program,
            *([VENVS / self.venv / "bin"] if self.venv else []),
            Path(sys.executable).parent,
        )

    def start(
        self,
        role: Role,
        ports: Ports,
        cores: Cores,
        state: Path,
        settings: Mapping[str, str] | None = None,
    ) -> Program:
        """
        Write the configuration and start the proxy, without waiting for it.

        @param state: a new folder for its files; some peers change to a user of their own and must be able to write there.
        @param settings: more words to fill in, or other values for the known ones.
        """
        path = self.path()
        if path is None:
            raise LookupError(f"{self.name} is not installed: {self.install}")
        state.mkdir(parents=True)
        state.chmod(0o777)
        words = {**words_for(ports, state), **(settings or {})}
        if role is Role.INTERCEPT and "*" not in self.authority:
            shutil.copyfile(Path(words["CERTIFICATES"]) / AUTHORITY_FILE, state / self.authority)
        for template in self.templates[role]:
            (state / template).write_text(fill((HERE / template).read_text(), words))
        return Program.start(
            self.name,
            self.command(path, state, role),
            cores=cores.proxy,
            output=state / "output.log",
            environment=self.environment,
            folder=REPOSITORY,
        )

    def entrance(self, role: Role, ports: Ports) -> int:
        """Give the port that clients of a role connect to."""
        if role in (Role.REVERSE, Role.CACHE):
            return ports.reverse
        if role is Role.TERMINATE:
            return ports.secure
        return ports.relay if self.bare_relay else ports.forward

    def describe_version(self) -> str:
        """Give the first line with a number in it that the program says of its version."""
        path = self.path()
        if path is None:
            return ""
        try:
            answer = subprocess.run(
                [path, *self.version],
                capture_output=True,
                text=True,
                timeout=20,
                cwd=REPOSITORY,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        lines = (answer.stdout + answer.stderr).splitlines()
        return next((line.strip() for line in lines if re.search(r"\d", line)), "")


def words_for(ports: Ports, state: Path) -> dict[str, str]:
    """Give the words of the files here that are not settings of their own; C{CERTIFICATES} is filled in by whoever has made some."""
    return {
        "DIR": str(state),
        "FORWARD": str(ports.forward),
        "REVERSE": str(ports.reverse),
        "RELAY": str(ports.relay),
        "HEALTH": str(ports.health),
        "SECURE": str(ports.secure),
        "WEB_ORIGIN": str(ports.web_origin),
        "TLS_ORIGIN": str(ports.tls_origin),
        "TUNNEL_ORIGIN": str(ports.tunnel_origin),
        "ICAP": str(ports.icap),
        "CLAMD": str(ports.clamd),
        "CLAMD_SOCKET": str(ports.clamd_socket),
        "UPLOAD_LIMIT": "2GiB",
        "CLIENT_IDLE": "300s",
        "UPSTREAM_IDLE": "30s",
        "CERTIFICATES": "",
        # In MiB, on disk and in memory.
        "CACHE_SIZE": "1024",
        "CACHE_MEMORY": "256",
    }


def fill(text: str, words: Mapping[str, str]) -> str:
    """Replace each C{@WORD@}; an unknown word is a fault in the file and raises KeyError."""
    return re.sub(r"@([A-Z0-9_]+)@", lambda match: words[match[1]], text)


def _arguments(file: Path) -> list[str]:
    lines = file.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _every_role(*templates: str) -> dict[Role, tuple[str, ...]]:
    return dict.fromkeys(Role, templates)


def _mitmproxy(path: str, state: Path, role: Role) -> list[str]:
    shutil.copyfile(state / f"mitmproxy-{role.value}.yaml", state / "config.yaml")
    return [path, "--set", f"confdir={state}"]


def _gateway(path: str, state: Path, role: Role) -> list[str]:
    more = state / f"gateway-{role.value}.toml"
    if more.exists():
        # Read after the main file (and its keys win), as what is true of one machine only.
        more.rename(state / "node.toml")
    return [path, "-n", "--pidfile=", "gateway", "--config", str(state / "gateway.toml")]


def _haproxy(path: str, state: Path, role: Role) -> list[str]:
    command = [path, "-db", "-f", str(state / "haproxy.cfg")]
    return [*command, "-f", str(state / "haproxy-tls.cfg")] if role is Role.TERMINATE else command


def _nginx(path: str, state: Path, role: Role) -> list[str]:
    file = "nginx-cache.conf" if role is Role.CACHE else "nginx.conf"
    return [path, "-e", str(state / "error.log"), "-c", str(state / file)]


def _squid(path: str, state: Path, role: Role) -> list[str]:
    if role is Role.INTERCEPT:
        _make_leaf_store(state / "leaves")
    names = {
        Role.REVERSE: "reverse",
        Role.INTERCEPT: "intercept",
        Role.CACHE: "cache",
        Role.SCAN: "scan",
    }
    command = [path, "-N", "-f", str(state / f"squid-{names.get(role, 'forward')}.conf")]
    if role is Role.CACHE:
        # The folders of the disk cache.
        subprocess.run([*command, "-z"], check=True, capture_output=True, timeout=60)
    return command


def _traffic_server(path: str, state: Path, _role: Role) -> list[str]:
    """Lay out the folders of an instance of Traffic Server; started by root it becomes the user of Debian's package."""
    settings = state / "etc"
    settings.mkdir()
    installed = Path("/etc/trafficserver")
    # What it wants to be there beside the files here: pages for errors, and files that say nothing.
    if installed.is_dir():
        shutil.copytree(installed, settings, dirs_exist_ok=True)
    for file in state.glob("trafficserver-*"):
        name = file.name.removeprefix("trafficserver-")
        (state if name == "runroot.yaml" else settings).joinpath(name).write_text(file.read_text())
    with (settings / "records.config").open("a") as records:
        # "#-1": whoever started it.
        owner = "trafficserver" if os.geteuid() == 0 else "#-1"
        records.write(f"CONFIG proxy.config.admin.user_id STRING {owner}\n")
    for name in ("cache", "log", "run"):
        (state / name).mkdir()
    for member in (state / "cache", state / "log", state / "run", settings, *settings.rglob("*")):
        member.chmod(0o777 if member.is_dir() else 0o666)
    return [path, f"--run-root={state / 'runroot.yaml'}"]


def _make_leaf_store(folder: Path) -> None:
    """Make the folder in which Squid's own program keeps the certificates it has made; Squid becomes another user."""
    maker = find("security_file_certgen", Path("/usr/lib/squid"))
    if maker is None:
        # Squid without OpenSSL: it will say so itself.
        return
    subprocess.run([maker, "-c", "-s", str(folder), "-M", "16MB"], check=True, capture_output=True)
    for member in (folder, *folder.rglob("*")):
        member.chmod(0o777 if member.is_dir() else 0o666)


GATEWAY = Peer(
    name="gateway",
    program="twistd",
    roles=frozenset(Role),
    command=_gateway,
    templates=_every_role("gateway.toml")
    | {
        Role.TERMINATE: ("gateway.toml", "gateway-terminate.toml"),
        Role.INTERCEPT: ("gateway.toml", "gateway-intercept.toml"),
        Role.CACHE: ("gateway.toml", "gateway-cache.toml"),
        Role.SCAN: ("gateway.toml", "gateway-scan.toml"),
    },
    version=("--version",),
    install="make install, or the environment this repository's `make run` creates",
    environment={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'plugins'}"},
    authority="ca/ca-*.pem",
)

_ALL_BUT_TERMINATE = frozenset(Role) - {Role.TERMINATE, Role.CACHE, Role.SCAN}

_SQUID_UNCACHED = ("squid-common.conf", "squid-uncached.conf")

PEERS: tuple[Peer, ...] = (
    GATEWAY,
    Peer(
        name="nginx",
        program="nginx",
        roles=frozenset({Role.REVERSE, Role.TERMINATE, Role.CACHE}),
        command=_nginx,
        templates={
            Role.REVERSE: ("nginx.conf", "nginx-listen-plain.conf"),
            Role.TERMINATE: ("nginx.conf", "nginx-listen-tls.conf"),
            Role.CACHE: ("nginx-cache.conf",),
        },
        version=("-v",),
        install="apt-get install nginx",
    ),
    Peer(
        name="haproxy",
        program="haproxy",
        roles=frozenset({Role.REVERSE, Role.CONNECT, Role.TERMINATE}),
        command=_haproxy,
        templates=_every_role("haproxy.cfg") | {Role.TERMINATE: ("haproxy.cfg", "haproxy-tls.cfg")},
        version=("-v",),
        install="apt-get install haproxy",
        bare_relay=True,
    ),
    Peer(
        name="squid",
        program="squid",
        roles=_ALL_BUT_TERMINATE | {Role.CACHE, Role.SCAN},
        command=_squid,
        templates={
            Role.REVERSE: (*_SQUID_UNCACHED, "squid-reverse.conf"),
            Role.FORWARD: (*_SQUID_UNCACHED, "squid-forward.conf"),
            Role.CONNECT: (*_SQUID_UNCACHED, "squid-forward.conf"),
            Role.INTERCEPT: (*_SQUID_UNCACHED, "squid-intercept.conf"),
            Role.CACHE: ("squid-common.conf", "squid-cache.conf"),
            Role.SCAN: (*_SQUID_UNCACHED, "squid-scan.conf"),
        },
        version=("-v",),
        authority="squid-authority.pem",
        install="apt-get install squid-openssl",
    ),
    Peer(
        name="trafficserver",
        program="traffic_server",
        roles=frozenset({Role.CACHE}),
        command=_traffic_server,
        templates={
            Role.CACHE: (
                "trafficserver-ip_allow.yaml",
                "trafficserver-logging.yaml",
                "trafficserver-records.config",
                "trafficserver-remap.config",
                "trafficserver-runroot.yaml",
                "trafficserver-storage.config",
            )
        },
        version=("--version",),
        install="apt-get install trafficserver",
    ),
    Peer(
        name="proxy.py",
        program="proxy",
        roles=frozenset({Role.FORWARD, Role.CONNECT}),
        command=lambda path, state, _: [path, *_arguments(state / "proxy.py.args")],
        templates=_every_role("proxy.py.args"),
        version=("--version",),
        install="python -m benchmarks setup (an environment of its own, from PyPI)",
        venv="proxy.py",
    ),
    Peer(
        name="mitmproxy",
        program="mitmdump",
        roles=_ALL_BUT_TERMINATE,
        command=_mitmproxy,
        templates={role: (f"mitmproxy-{role.value}.yaml",) for role in _ALL_BUT_TERMINATE},
        authority="mitmproxy-ca.pem",
        version=("--version",),
        install="python -m benchmarks setup (an environment of its own, from PyPI)",
        venv="mitmproxy",
    ),
)
