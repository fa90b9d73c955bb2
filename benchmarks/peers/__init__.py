"""
The proxies that are compared: how each is found, configured from its file in this folder, and started.

Each configuration is the peer's own best for the work at hand, as a careful administrator would tune it: one worker or thread,
kept-alive upstream connections, no cache, access log on. Words between C{@} signs in the files are filled in here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from benchmarks.programs import Cores, Program, find

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
VENVS = HERE.parent / "venvs"


class Role(Enum):
    """What a proxy is asked to be."""

    REVERSE = "reverse"
    FORWARD = "forward"
    CONNECT = "connect"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one proxy and of the origins behind it, all on 127.0.0.1."""

    forward: int
    reverse: int
    relay: int
    health: int
    tunnel_origin: int
    web_origin: int

    @classmethod
    def numbered(cls, base: int, index: int) -> Ports:
        """
        Give the ports of the peer with this index.

        Each has a tunnel origin of its own, so that one peer's closed connections (TIME_WAIT) do not use up another's ports.
        """
        first = base + 10 * index
        return cls(
            first, first + 1, first + 2, first + 3, tunnel_origin=first + 4, web_origin=base + 900
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One proxy.

    @ivar command: gives the command line for a role, from the program's path and the folder of its state.
    @ivar templates: files of this folder to fill in, by role.
    @ivar bare_relay: it has no CONNECT; in that role it is a plain TCP relay and clients speak to it directly.
    @ivar install: what a user does to get it.
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
        words = {
            "DIR": str(state),
            "FORWARD": str(ports.forward),
            "REVERSE": str(ports.reverse),
            "RELAY": str(ports.relay),
            "HEALTH": str(ports.health),
            "WEB_ORIGIN": str(ports.web_origin),
            "TUNNEL_ORIGIN": str(ports.tunnel_origin),
            "UPLOAD_LIMIT": "2GiB",
            "CLIENT_IDLE": "300s",
            **(settings or {}),
        }
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
        if role is Role.REVERSE:
            return ports.reverse
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


GATEWAY = Peer(
    name="gateway",
    program="twistd",
    roles=frozenset(Role),
    command=lambda path, state, _: [
        path,
        "-n",
        "--pidfile=",
        "gateway",
        "--config",
        str(state / "gateway.toml"),
    ],
    templates=_every_role("gateway.toml"),
    version=("--version",),
    install="make install, or the environment this repository's `make run` creates",
    environment={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'plugins'}"},
)

PEERS: tuple[Peer, ...] = (
    GATEWAY,
    Peer(
        name="nginx",
        program="nginx",
        roles=frozenset({Role.REVERSE}),
        command=lambda path, state, _: [
            path,
            "-e",
            str(state / "error.log"),
            "-c",
            str(state / "nginx.conf"),
        ],
        templates=_every_role("nginx.conf"),
        version=("-v",),
        install="apt-get install nginx",
    ),
    Peer(
        name="haproxy",
        program="haproxy",
        roles=frozenset({Role.REVERSE, Role.CONNECT}),
        command=lambda path, state, _: [path, "-db", "-f", str(state / "haproxy.cfg")],
        templates=_every_role("haproxy.cfg"),
        version=("-v",),
        install="apt-get install haproxy",
        bare_relay=True,
    ),
    Peer(
        name="squid",
        program="squid",
        roles=frozenset(Role),
        command=lambda path, state, role: [
            path,
            "-N",
            "-f",
            str(state / ("squid-reverse.conf" if role is Role.REVERSE else "squid-forward.conf")),
        ],
        templates={
            Role.REVERSE: ("squid-common.conf", "squid-reverse.conf"),
            Role.FORWARD: ("squid-common.conf", "squid-forward.conf"),
            Role.CONNECT: ("squid-common.conf", "squid-forward.conf"),
        },
        version=("-v",),
        install="apt-get install squid-openssl",
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
        roles=frozenset(Role),
        command=_mitmproxy,
        templates={role: (f"mitmproxy-{role.value}.yaml",) for role in Role},
        version=("--version",),
        install="python -m benchmarks setup (an environment of its own, from PyPI)",
        venv="mitmproxy",
    ),
)
