"""
What the judge of scanning needs: clamd, what the gateway is told of it, and how its results and the access log are read.

The judge itself only sees whether something arrives. What becomes of the cases that are a matter of policy is looked up here, in
its results and in the notes of the access log: each has to end as it is configured, for the reason that it should.
"""

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.judging import (
    LOG_SECONDS,
    Figures,
    Judge,
    Names,
    Unjudged,
    client_origin,
    figures,
    free_ports,
    gateway,
    judged,
    need_plugins,
)

#: What a gateway needs for it.
PLUGINS = ("archive", "clamd")

SCORE = re.compile(
    r"^== \S+: block (?P<blocked>\d+)/\d+ allow (?P<delivered>\d+)/\d+ policy\(no error\) (?P<policy>\d+)/\d+",
    re.M,
)

#: How the judge calls the ways that the judged gateways are told apart by.
VIA = {"forward": "forward", "reverse": "reverse", "intercept": "tls"}


@dataclass(frozen=True, slots=True)
class Ending:
    """
    What is to become of a case.

    @ivar verdict: the judge's word: C{blocked} or C{arrived}.
    @ivar reasons: what the access log may begin its note with: before the colon stands the reason, behind it the action.
    """

    verdict: str
    reasons: frozenset[str]


def _blocked(*reasons: str) -> Ending:
    return Ending("blocked", frozenset(reasons))


def _arrived(*reasons: str) -> Ending:
    return Ending("arrived", frozenset(reasons))


# The gateway's limits are its defaults. Where malware stands in reach of an engine it may be found in place of the reason why
# not all was looked at: both are blocked.
POLICY: Mapping[str, Ending] = {
    "nested-16.zip": _blocked("limit", "infected"),
    "nested-30.zip": _blocked("limit"),
    "nested-100.zip": _blocked("limit"),
    "encrypted.7z": _arrived("encrypted"),
    "encrypted.zip": _arrived("encrypted"),
    "broken-truncated.zip": _blocked("malformed", "infected"),
    "bomb-1g.zip": _blocked("limit"),
    "bomb-2g.gz": _blocked("limit"),
    "bomb-100k-files.zip": _blocked("limit"),
    "ce-gzip-bomb.bin": _blocked("limit"),
    "ce-gzip-truncated.bin": _blocked("malformed", "infected"),
    "exe-as-jpg.jpg": _arrived("clean"),
    "elf-as-txt.txt": _arrived("clean"),
}


def run(judge: Judge, folder: Path, state: Path, scratch: Path) -> Figures:
    """
    Let the judge send what is to be blocked, and what is not, one way.

    @param state: of the origin of the judge C{clients}, whose certificates are used within TLS.
    @param scratch: a folder for what the judge writes, and for clamd.
    @raise Unjudged: a plugin is missing, clamd did not start, or there is no score.
    """
    need_plugins(*PLUGINS)
    direction = judge.name.split("-")[1]
    (origin_port, clamd_port) = free_ports(2)
    environment = {
        "OUT": str(scratch),
        "VIA": VIA[judge.mode],
        "ORIGIN_PORT": str(origin_port),
    }
    with contextlib.ExitStack() as stack:
        names = None
        if judge.mode == "intercept":
            stack.enter_context(client_origin(folder / "clients"))
            names = Names(state / "hosts", state / "oca.pem")
            environment |= {
                "ORIGIN_CERT": str(state / "o.pem"),
                "ORIGIN_KEY": str(state / "o.key"),
            }
        scanner = clamd(folder.parent / "services", scratch, clamd_port)
        scanning = configuration(stack.enter_context(scanner))
        with gateway(judge.mode, origin_port, names, scanning) as started:
            environment["PROXY_CA"] = str(started.authority)
            command = [str(folder / "scan/run.sh"), direction, started.address, judge.name]
            reached = figures(judge, judged(command, environment))
            # Lines are written a little later.
            time.sleep(LOG_SECONDS)
            notes = notes_of(started.log, "response" if direction == "download" else "request")
    results = json.loads((scratch / f"scan-{judge.name}.json").read_text())
    wrong = as_configured(results, notes)
    for line in wrong:
        print(f"FAIL policy: {line}", flush=True)
    return {**reached, "as_configured": len(POLICY) - len(wrong)}


def configuration(socket: Path) -> str:
    """
    Give what a gateway is told: to scan all content by the clamd at a socket, with everything else as it comes.

    A message that cannot be passed yet may take all the time that a scan takes.
    """
    enabled = ", ".join(f'"{name}"' for name in PLUGINS)
    return f'[plugins]\nenabled = [{enabled}]\n[plugins.clamd]\naddress = "unix:{socket}"\n'


@contextlib.contextmanager
def clamd(services: Path, state: Path, port: int) -> Iterator[Path]:
    """
    Run a clamd that knows what the judge sends, and give the path of its socket.

    @param services: the folder of scripts that start servers, beside that of the judges.
    @param state: for its files; the path must be short.
    @raise Unjudged: it did not start.
    """
    script = services / "clamd.sh"
    environment = {**os.environ, "STATE": str(state), "PORT": str(port)}
    started = subprocess.run(
        [script, "start"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
    )
    try:
        if started.returncode:
            raise Unjudged(f"clamd did not start (status {started.returncode})")
        yield state / "clamd" / "clamd.sock"
    finally:
        subprocess.run(
            [script, "stop"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment,
        )


def as_configured(results: Sequence[Mapping[str, Any]], notes: Mapping[str, set[str]]) -> list[str]:
    """
    Hold what became of the policy cases against the configuration.

    @param results: of the judge: C{name} and C{verdict} of each case.
    @param notes: of the access log, by the name of the case.
    @return: in words, one for each that ended otherwise or for another reason.
    """
    wrong = []
    verdicts = {case["name"]: case["verdict"] for case in results}
    for name, ending in POLICY.items():
        if verdicts.get(name) != ending.verdict:
            wrong.append(f"{name} {verdicts.get(name, 'was not judged')}, not {ending.verdict}")
            continue
        given = {note.partition(":")[0] for note in notes.get(name, ())}
        if not given or not given <= ending.reasons:
            said = ", ".join(sorted(notes.get(name, ()))) or "nothing"
            wrong.append(f"{name} {ending.verdict}: the access log says {said}")
    return wrong


def notes_of(log: Path, side: str) -> dict[str, set[str]]:
    """
    Read what the access log says of the scans.

    @param side: C{request} or C{response}.
    @return: the notes by the last part of the path.
    """
    notes: dict[str, set[str]] = {}
    # The last line may be only half there yet.
    for line in log.read_text().rpartition("\n")[0].splitlines():
        entry = json.loads(line)
        note = entry["notes"].get(f"scan_{side}")
        if note is not None:
            notes.setdefault(entry["url"].rpartition("/")[2], set()).add(note)
    return notes
