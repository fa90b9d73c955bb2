"""Plugins that look installed for the time of a test, as pip would leave them."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from io import StringIO
from typing import Any

from gateway.cli.main import main
from tests.unit.config.files import FilesTestCase

#: What every module of these tests begins with.
HEAD = """\
from dataclasses import dataclass
from typing import Annotated
from gateway.api import *
from gateway.api.settings import *
"""


#: A plugin in which there is nothing to mend.
GOOD = '''
"""A good one."""
class Quiet(Plugin):
    """Has no opinion."""
    name = "quiet"
    @hookimpl()
    def request_headers(self, txn): return None
plugin = Quiet
'''


class InstalledTestCase(FilesTestCase):
    """A test with packages of its own."""

    def setUp(self) -> None:
        """Put the folder where Python looks."""
        super().setUp()
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        # A module that is written twice within a second would be taken from its cache.
        self.patch(sys, "dont_write_bytecode", True)

    def install(
        self, name: str, code: str, *, module: str = "", package: str = "", version: str = "1.0"
    ) -> str:
        """
        Install a plugin of one module.

        @param code: what comes after L{HEAD}.
        @return: the path of the module.
        """
        module = module or f"gateway_{name}"
        package = package or f"gateway-{name}".replace("_", "-")
        noted = f"{package.replace('-', '_')}-{version}.dist-info"
        self.write(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n", f"{noted}/METADATA"
        )
        self.write(f"[gateway.plugins]\n{name} = {module}:plugin\n", f"{noted}/entry_points.txt")
        path = self.write(HEAD + code, f"{module}.py")
        self.addCleanup(sys.modules.pop, module, None)
        importlib.invalidate_caches()
        return path

    def plugin(self, *arguments: str) -> tuple[int, str, str]:
        """Run C{gateway plugin}; give the exit code and both outputs, without what plugins print."""
        out, err = StringIO(), StringIO()
        with contextlib.redirect_stderr(StringIO()):
            code = main(["plugin", *arguments], out, err)
        return code, out.getvalue(), err.getvalue()

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run C{gateway plugin} with C{--json} and give what it says."""
        _, out, err = self.plugin(*arguments, "--json")
        self.assertEqual(err, "")
        found: dict[str, Any] = json.loads(out)
        return found
