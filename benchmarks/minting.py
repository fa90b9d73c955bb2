"""
What a leaf costs, and that the memory of the cache is bounded whatever clients ask for: C{python -m benchmarks.minting}.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from pathlib import Path

from gateway.net.authority import Authority
from gateway.net.mints import SIZE, Mints

#: A leaf in the cache may weigh this much; then the cache is as large as its documentation says.
LIMIT_KIB = 8.0
#: With the cache full, ten times as many names may add this much: what the allocator scatters.
LIMIT_GROWTH_MIB = 8.0


def resident() -> int:
    """Give the bytes of this process that are in memory."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mint_names(mints: Mints, first: int, last: int) -> float:
    """Ask for the leaves of different names; give the microseconds of processor time for each."""
    begun = time.process_time()
    for number in range(first, last):
        mints.leaf(b"", f"host-{number}.example.com", None)
    return (time.process_time() - begun) / (last - first) * 1e6


def main() -> int:
    """Fill the cache, overfill it, and give 0 if both limits hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=100_000, help="different names in all")
    parser.add_argument("--size", type=int, default=SIZE, help="leaves that are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mints = Mints(Authority(Path(folder) / "ca"), options.size)
        mint_names(mints, 0, 100)
        mints = Mints(mints._authority, options.size)
        before = resident()
        print(f"{min(1000, options.size)} names: {mint_names(mints, 0, 1000):.0f} us a leaf")
        mint_names(mints, 1000, options.size)
        full = resident()
        weight = (full - before) / len(mints) / 1024
        print(f"{len(mints)} leaves kept: {weight:.2f} KiB each (limit {LIMIT_KIB:g})")
        cost = mint_names(mints, options.size, options.names)
        growth = (resident() - full) / 2**20
        print(
            f"{options.names} names: {cost:.0f} us a leaf, {len(mints)} kept, {mints.evicted} gave way,"
            f" {growth:+.1f} MiB (limit {LIMIT_GROWTH_MIB:g})"
        )
        begun = time.process_time()
        for _ in range(options.size):
            mints.leaf(b"", f"host-{options.names - 1}.example.com", None)
        print(f"a leaf that is there: {(time.process_time() - begun) / options.size * 1e6:.2f} us")
    good = weight <= LIMIT_KIB and growth <= LIMIT_GROWTH_MIB
    print("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
