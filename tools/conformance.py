"""
Run the external judges against this gateway and hold their scores to floors that only rise.

    conformance.py [--raise] [--suite CHECKOUT] FOLDER [NAME...]

FOLDER holds the judges, programs that know nothing of this project: they are pointed at an address and print a score in their last
line. NAME picks some of: faults-reverse, faults-forward, smuggle-reverse, smuggle-forward, clients, clients-intercepted, tls, cache,
and scan-download-WAY and scan-upload-WAY, where WAY is forward, reverse or intercepted.
Each judge gets a fresh gateway, started by twistd with a configuration written for it. tests/floors.json keeps the figures reached so
far; a worse one fails, and with --raise a better one is written there. Ends with one line "ok NAME ..." or "FAIL NAME ..." for each
judge, and status 1 if one failed.

The judge cache runs the published package of the cache tests. With --suite, CHECKOUT is one of http-tests/cache-tests in which
`npm install` was run, and there is one judge more, cache-newest, with floors of its own: the same with these newer tests.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# A program in its own folder finds the repository so.
from tools import scan_judge  # noqa: E402
from tools.judging import (  # noqa: E402
    JUDGE_SECONDS,
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

FLOORS = ROOT / "tests/floors.json"

# Of these less is better; of all the others more.
SHRINKING = frozenset({"ambiguous", "flagged", "failed", "unjudged"})

# What cannot pass through interception as long as the gateway speaks no HTTP/2: the check wants curl to say "2".
HTTP2_ONLY = frozenset({"curl https h2 in tunnel"})

# Certificates and responses of the judge `tls` are made for a week.
FRESH_SECONDS = 5 * 24 * 3600

# The judge of caches, with the tests of the package and with those of a checkout.
CACHE = "cache"
CACHE_NEWEST = "cache-newest"

# A test of the cache whose own preparations failed, as on a machine that stood still for a second, says nothing; then all run again.
CACHE_RUNS = 2

# Which reason the access log may give for each bad origin of the judge `tls`.
REASONS = {
    "incomplete-chain": "tls_incomplete_chain",
    "expired": "tls_expired",
    "not-yet-valid": "tls_not_yet_valid",
    "wrong-host": "tls_wrong_host",
    "cn-only": "tls_wrong_host",
    "self-signed": "tls_self_signed",
    "untrusted-root": "tls_unknown_root",
    "expired-intermediate": "tls_expired",
    "rsa1024": "tls_weak_key",
    "sha1": "tls_weak_signature",
    "revoked": "tls_revoked",
    "tls10": "tls_version",
    "tls11": "tls_version",
    "dh1024": "tls_no_shared_cipher",
    "null-cipher": "tls_no_shared_cipher",
    "no-tls": "tls_not_tls",
    "close-at-hello": "tls_closed",
    "alert": "tls_alert",
    "client-cert-required": "tls_client_certificate",
}

COUNT_OF = re.compile(r"^== \S+: (?P<passed>\d+)/\d+", re.M)
SMUGGLE = re.compile(
    r"^== \S+: pass (?P<passed>\d+)/\d+ .*AMBIG (?P<ambiguous>\d+) FLAG (?P<flagged>\d+); valid forwarded (?P<valid>\d+)/",
    re.M,
)
TLS = re.compile(
    r"^== \S+: bad refused (?P<refused>\d+)/\d+, good passed (?P<passed>\d+)/\d+", re.M
)

JUDGES = [
    Judge("faults-reverse", "faults", "reverse", COUNT_OF),
    Judge("faults-forward", "faults", "forward", COUNT_OF),
    Judge("smuggle-reverse", "smuggle", "reverse", SMUGGLE),
    Judge("smuggle-forward", "smuggle", "forward", SMUGGLE),
    Judge("clients", "clients", "forward", COUNT_OF),
    Judge("clients-intercepted", "clients", "intercept", COUNT_OF),
    Judge("tls", "tls", "intercept", TLS),
    Judge(CACHE, "cache", "cache", None),
    Judge(CACHE_NEWEST, "cache", "cache", None),
    Judge("scan-download-forward", "scan", "forward", scan_judge.SCORE),
    Judge("scan-download-reverse", "scan", "reverse", scan_judge.SCORE),
    Judge("scan-download-intercepted", "scan", "intercept", scan_judge.SCORE),
    Judge("scan-upload-forward", "scan", "forward", scan_judge.SCORE),
    Judge("scan-upload-reverse", "scan", "reverse", scan_judge.SCORE),
    Judge("scan-upload-intercepted", "scan", "intercept", scan_judge.SCORE),
]


def main() -> int:
    """Run the judges that were asked for and report; the result is the exit status."""
    parser = argparse.ArgumentParser(
        description="Hold the scores of the external judges to their floors."
    )
    parser.add_argument(
        "--raise", dest="raising", action="store_true", help="write better scores into the floors"
    )
    parser.add_argument(
        "--suite", type=Path, metavar="CHECKOUT", help=f"of the tests of the judge {CACHE_NEWEST}"
    )
    parser.add_argument("folder", type=Path, help="the folder of the judges")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="the judges to run; without one, all"
    )
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    if not folder.is_dir():
        print(f"no judges at {asked.folder}")
        return 0
    known = {judge.name for judge in JUDGES}
    if unknown := set(asked.names) - known:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    if asked.suite is None and CACHE_NEWEST in asked.names:
        parser.error(f"{CACHE_NEWEST} needs --suite")
    if asked.suite is not None and not (asked.suite / "node_modules").is_dir():
        parser.error(f"{asked.suite} is no checkout in which `npm install` was run")

    home = Path(os.environ.setdefault("GW_HOME", f"{tempfile.gettempdir()}/gwtest-conformance"))
    subprocess.run([folder / "setup.sh"], check=True, stdin=subprocess.DEVNULL)
    floors: dict[str, Figures] = json.loads(FLOORS.read_text())
    failed = False
    verdicts = []
    for judge in JUDGES:
        if asked.names and judge.name not in asked.names:
            continue
        if judge.name == CACHE_NEWEST and asked.suite is None:
            continue
        try:
            reached = run(judge, folder, home, asked.suite)
        except Unjudged as error:
            failed = True
            verdicts.append(f"FAIL {judge.name}: {error}")
            continue
        worse, better = compare(reached, floors.get(judge.name, {}))
        failed = failed or bool(worse)
        verdicts.append(
            f"{'FAIL' if worse else 'ok'} {judge.name}: {', '.join(worse or spell(reached))}"
        )
        if better and not worse:
            if asked.raising:
                floors[judge.name] = reached
                FLOORS.write_text(json.dumps(floors, indent=4) + "\n")
                verdicts[-1] += f"; floor raised: {', '.join(better)}"
            else:
                verdicts[-1] += (
                    f"; above its floor ({', '.join(better)}): raise it with make conformance"
                )
    print("\n".join(verdicts), flush=True)
    return int(failed)


def compare(reached: Figures, floor: Figures) -> tuple[list[str], list[str]]:
    """
    Set figures against their floor.

    @return: what is worse and what is better, in words. A figure without a floor is better than it.
    """
    worse: list[str] = []
    better: list[str] = []
    for name, figure in reached.items():
        before = floor.get(name)
        if before is None:
            better.append(f"{name} {figure}")
        elif figure != before:
            improved = (figure < before) == (name in SHRINKING)
            (better if improved else worse).append(f"{name} {figure} (was {before})")
    return worse, better


def spell(figures: Figures) -> list[str]:
    """Give each figure with its name."""
    return [f"{name} {figure}" for name, figure in figures.items()]


def run(judge: Judge, folder: Path, home: Path, suite: Path | None = None) -> Figures:
    """
    Start a gateway, run one judge against it, and read the score.

    @param suite: the checkout for the judge L{CACHE_NEWEST}.
    @raise Unjudged: there is none.
    """
    print(f"-- {judge.name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="gateway-judge-") as scratch:
        match judge.folder:
            case "clients":
                return run_clients(judge, folder / "clients", home / "clients", Path(scratch))
            case "tls":
                return run_tls(judge, folder / "tls", home / "tls")
            case "scan":
                return scan_judge.run(judge, folder, home / "clients", Path(scratch))
            case "cache":
                newest = suite if judge.name == CACHE_NEWEST else None
                reached = run_cache(judge, folder / "cache", Path(scratch), newest)
                # For people to look at; another run may write there at the same time.
                results = Path(os.environ.get("RESULTS", home / "out"), "cache")
                shutil.copytree(scratch, results, dirs_exist_ok=True)
                return reached
    (origin_port,) = free_ports(1)
    with gateway(judge.mode, origin_port) as started:
        script = folder / judge.folder / "run.sh"
        return figures(
            judge, judged([script, started.address, str(origin_port), judge.mode, judge.mode])
        )


def run_clients(judge: Judge, folder: Path, state: Path, results: Path) -> Figures:
    """
    Let the real clients fetch.

    @param results: a folder for what the judge writes.
    @raise Unjudged: there is no score.
    """
    label = "tunnel" if judge.mode == "forward" else "intercept"
    with client_origin(folder):
        root = state / "oca.pem"
        with gateway(judge.mode, names=Names(state / "hosts", root)) as started:
            # The origin's own authority in place of the gateway's: the cases then judge plain proxying and tunnels.
            authority = root if judge.mode == "forward" else started.authority
            command = [str(folder / "run.sh"), started.address, str(authority), label]
            reached = figures(judge, judged(command, {"OUT": str(results)}))
    if judge.mode == "intercept":
        checks = json.loads((results / f"clients-{label}.json").read_text())
        failed = {f"{check['client']} {check['op']}" for check in checks if not check["ok"]}
        for name in sorted(failed & HTTP2_ONLY):
            print(f"excepted, for the gateway speaks no HTTP/2: {name}", flush=True)
        reached["failed"] = len(failed - HTTP2_ONLY)
    return reached


def run_tls(judge: Judge, folder: Path, state: Path) -> Figures:
    """
    Let a client fetch from bad origins, and look whether the access log gives each one's own reason.

    @raise Unjudged: there is no score, or a careless client does not reach every origin either.
    """
    script = folder / "run.sh"
    with (
        bad_origins(script, state),
        gateway(judge.mode, names=Names(state / "hosts", state / "certs/root.pem")) as started,
    ):
        command = [str(script), started.address, str(started.authority), "intercept"]
        reached = figures(judge, judged(command, {"TLS_STATE": str(state)}))
        reached["reasons"] = told_apart(started.log, state / "certs/ports.txt")
    return reached


def run_cache(judge: Judge, folder: Path, results: Path, suite: Path | None) -> Figures:
    """
    Let the cache tests run against a gateway that stores; a fresh one again if some of them could not judge.

    @param results: a folder for what the judge writes: C{NAME.json} and C{NAME.score.json}.
    @param suite: a checkout of the tests; C{None}: the package.
    @raise Unjudged: there is no plugin C{cache}, or no score.
    """
    need_plugins(CACHE)
    environment = {"OUT": str(results)}
    if suite is not None:
        environment["SUITE"] = str(suite.resolve())
    score = results / f"{judge.name}.score.json"
    reached: Figures = {}
    for _ in range(CACHE_RUNS):
        score.unlink(missing_ok=True)
        (origin_port,) = free_ports(1)
        with gateway(judge.mode, origin_port) as started:
            command = [str(folder / "run.sh"), started.address, judge.name, str(origin_port)]
            judged(command, environment)
        if not score.exists():
            raise Unjudged("the judge ended without a score")
        reached = cache_figures(json.loads(score.read_text())["kinds"])
        if not reached["unjudged"]:
            break
    return reached


def cache_figures(kinds: Mapping[str, Mapping[str, int]]) -> Figures:
    """
    Read the score of the cache tests.

    @param kinds: for each kind of test, how many ended how.
    @return: what is required of a cache and what is optimal, each with its passes; and how many tests could not be judged,
        not counting those that only make sense where another one passes.
    @raise Unjudged: a kind is missing.
    """
    if not kinds.keys() >= {"required", "optimal"}:
        raise Unjudged(f"the score has only {', '.join(kinds) or 'nothing'}")
    ended = ("setup_fail", "harness_fail", "retry", "untested")
    return {
        "required": kinds["required"].get("pass", 0),
        "optimal": kinds["optimal"].get("pass", 0),
        "unjudged": sum(counts.get(name, 0) for counts in kinds.values() for name in ended),
    }


@contextlib.contextmanager
def bad_origins(script: Path, state: Path) -> Iterator[None]:
    """
    Run the origins of the judge C{tls}.

    @raise Unjudged: a careless client does not reach all of them, so their cases would prove nothing.
    """
    root = state / "certs/root.pem"
    if root.exists() and time.time() - root.stat().st_mtime > FRESH_SECONDS:
        shutil.rmtree(root.parent)
    # That of an earlier run could be anybody's by now.
    running = state / "pid"
    running.unlink(missing_ok=True)
    try:
        part_of(script, "setup", state)
        reached = part_of(script, "control", state)
        if reached != "all origins reachable":
            raise Unjudged(f"the origins are not as they should be: {reached}")
        yield
    finally:
        if running.exists():
            part_of(script, "teardown", state)


def part_of(script: Path, name: str, state: Path) -> str:
    """Run a part of a judge's script to its end, and give what it printed."""
    # Into a file: the servers that it leaves behind would hold a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        subprocess.run(
            [script, name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            env={**os.environ, "TLS_STATE": str(state)},
            timeout=JUDGE_SECONDS,
        )
        output.seek(0)
        return output.read().strip()


def told_apart(log: Path, ports: Path) -> int:
    """Count the bad origins that the access log gives the right reason for, and show the others."""
    wanted = {
        int(port): (name, REASONS.get(name, "unknown to this program"))
        for name, port, expected in map(str.split, ports.read_text().splitlines())
        if expected == "bad"
    }
    # Lines are written a little later.
    deadline = time.monotonic() + LOG_SECONDS
    given = reasons(log)
    while not given.keys() >= wanted.keys() and time.monotonic() < deadline:
        time.sleep(0.1)
        given = reasons(log)
    right = 0
    for port, (name, reason) in wanted.items():
        if given.get(port) == {reason}:
            right += 1
        else:
            said = ", ".join(sorted(given.get(port, {"nothing"})))
            print(f"FAIL reason of {name}: {said}, not {reason}", flush=True)
    return right


def reasons(log: Path) -> dict[int, set[str]]:
    """Give all reasons that an access log has for each port."""
    given: dict[int, set[str]] = {}
    # The last line may be only half there yet.
    for line in log.read_text().rpartition("\n")[0].splitlines():
        entry = json.loads(line)
        address = entry["url"] if "://" in entry["url"] else f"//{entry['url']}"
        if entry["reason"]:
            given.setdefault(urlsplit(address).port or 443, set()).add(entry["reason"])
    return given


if __name__ == "__main__":
    sys.exit(main())
