#!/usr/bin/env python3
"""
Fuzz what unpacks content for scanners for minutes or hours: C{tools/fuzz_scan.py --minutes 10}, from the repository's root.

With atheris it is guided by what the code does; without, inputs are changed by chance, from a seed. The corpus is made at run
time. What is fuzzed runs in a process of its own, so a library that crashes or hangs is found too; the input is then kept in
the folder and its name printed. The status is 1 if there is any.
"""

from __future__ import annotations

import argparse
import importlib.util
import mmap
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

_ROOT = Path(__file__).resolve().parent.parent
_MEMORY_BYTES = 3 << 30
_SLOT_BYTES = 1 << 18
_HANG_SECONDS = 60.0


def main() -> int:
    """Run until the time is over; gives the status."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    asked.add_argument("--minutes", type=float, default=10.0)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--plain", action="store_true", help="do without atheris")
    asked.add_argument("--folder", type=Path, help="where inputs that fail are kept")
    asked.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.work is not None:
        work(options.work, options.seed)
        return 0
    folder = options.folder or Path(tempfile.mkdtemp(prefix="fuzz-scan-"))
    folder.mkdir(parents=True, exist_ok=True)
    seconds = options.minutes * 60
    if importlib.util.find_spec("atheris") is not None and not options.plain:
        guided(folder, seconds, options.seed)
    else:
        blind(folder, seconds, options.seed)
    failed = sorted(path for path in folder.iterdir() if path.name.startswith(_KEPT))
    for path in failed:
        print(f"failed: {path}")
    print(f"{len(failed)} inputs failed")
    return 1 if failed else 0


_KEPT = ("crash-", "timeout-", "oom-", "hang-", "slow-unit-")


def guided(folder: Path, seconds: float, seed: int) -> None:
    """Let atheris look, again after each input that fails until the time is over."""
    end = time.monotonic() + seconds
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    runs = 0
    while (left := end - time.monotonic()) > 1:
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.fuzz_scan",
            f"-max_total_time={int(left)}",
            f"-timeout={int(_HANG_SECONDS)}",
            f"-rss_limit_mb={_MEMORY_BYTES >> 20}",
            "-max_len=20000",
            f"-seed={seed + runs}",
            f"-artifact_prefix={folder}/",
            str(corpus),
        ]
        if subprocess.run(command, cwd=_ROOT, env=_environment(), check=False).returncode == 0:
            return
        runs += 1


def blind(folder: Path, seconds: float, seed: int) -> None:
    """Change seeds by chance; whoever works is watched and begun again when it ends before its time."""
    end = time.monotonic() + seconds
    done = runs = 0
    slot = folder / "slot"
    slot.write_bytes(bytes(_SLOT_BYTES))
    with slot.open("r+b") as file, mmap.mmap(file.fileno(), _SLOT_BYTES) as shared:
        while time.monotonic() < end:
            command = [sys.executable, __file__, "--work", str(slot), "--seed", str(seed + runs)]
            worker = subprocess.Popen(command, cwd=_ROOT, env=_environment())
            try:
                why = watched(worker, shared, end)
            finally:
                worker.kill()
                worker.wait()
            done += _number(shared)
            if why:
                keep(folder, why, shared)
            runs += 1
    slot.unlink()
    print(f"{done} inputs in {runs} processes")


def watched(worker: subprocess.Popen[bytes], shared: mmap.mmap, end: float) -> str:
    """
    Wait until the worker ends or hangs, or the time is over.

    @return: what it did wrong; empty: nothing.
    """
    number, since = -1, time.monotonic()
    while time.monotonic() < end:
        if worker.poll() is not None:
            return "crash"
        if _number(shared) != number:
            number, since = _number(shared), time.monotonic()
        elif time.monotonic() - since > _HANG_SECONDS:
            return "hang"
        time.sleep(0.2)
    return ""


def keep(folder: Path, why: str, shared: mmap.mmap) -> None:
    """Keep the input that was at work."""
    size = int.from_bytes(shared[8:12])
    data = shared[12 : 12 + size]
    (folder / f"{why}-{sha256(data).hexdigest()[:20]}").write_bytes(data)


def work(slot: Path, seed: int) -> None:
    """Run changed inputs for ever; each is laid into the slot before, so that it is known if nothing else is."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    from tests.fuzz import fuzz_scan

    with slot.open("r+b") as file, mmap.mmap(file.fileno(), _SLOT_BYTES) as shared:
        for number, data in enumerate(inputs(seed), 1):
            shared[8 : 12 + len(data)] = len(data).to_bytes(4) + data
            shared[:8] = number.to_bytes(8)
            fuzz_scan.run(data)


def inputs(seed: int) -> Iterator[bytes]:
    """Give the seeds, and then for ever what is near them or near what was given before."""
    from tests.fuzz import fuzz_scan

    random = Random(seed)
    known = list(fuzz_scan.seeds())
    yield from known
    pool = list(known)
    while True:
        data = fuzz_scan.mutated(random.choice(pool), known, random)
        if len(data) <= _SLOT_BYTES - 12:
            yield data
        if random.random() < 0.05:
            # What was changed once may be changed further; what it took the place of is not the seeds.
            if len(pool) < 4 * len(known):
                pool.append(data)
            else:
                pool[random.randrange(len(known), len(pool))] = data


def _number(shared: mmap.mmap) -> int:
    return int.from_bytes(shared[:8])


def _environment() -> dict[str, str]:
    path = os.pathsep.join((str(_ROOT), str(_ROOT / "plugins")))
    return {**os.environ, "PYTHONPATH": path}


if __name__ == "__main__":
    sys.exit(main())
