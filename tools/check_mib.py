"""
Have smilint look at GATEWAY-MIB, at its level 6; anything that it says is a fault.

The modules of the IETF that it imports are not free and not in Debian; what smilint needs of them is in tools/mibs. Without
smilint (Debian's smitools) nothing is checked, which is a fault where CI is set.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIB = ROOT / "plugins" / "gateway_snmp" / "GATEWAY-MIB.txt"


def main() -> int:
    """Check it; the result is the exit status."""
    smilint = shutil.which("smilint")
    if smilint is None:
        print("smilint is not installed (Debian's smitools), so the MIB was not checked")
        return int("CI" in os.environ)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as config:
        # In place of the system's, which hides some findings.
        config.write(f"path {ROOT / 'tools' / 'mibs'}\n")
        config.flush()
        said = subprocess.run(
            [smilint, "-c", config.name, "-l", "6", str(MIB)],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    # Its status says nothing about what it found.
    sys.stdout.write(said.stdout)
    return int(bool(said.stdout.strip() or said.returncode))


if __name__ == "__main__":
    sys.exit(main())
