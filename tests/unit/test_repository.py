"""The rules of the tree that no tool checks: what lies where, what is listed where, and what the documents point at."""

import ast
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from itertools import chain
from pathlib import Path
from tokenize import generate_tokens

from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.config.load import load

ROOT = Path(gateway.__file__).resolve().parent.parent
SOURCES = ("gateway", "plugins", "tests", "tools", "benchmarks", "twisted")
BUNDLED = sorted(path.parent.name for path in ROOT.glob("plugins/gateway_*/__init__.py"))

# Folders that are no part of the tree, as git is told: those with a slash in front at their place, others anywhere.
IGNORED = [
    line.rstrip("/")
    for line in (ROOT / ".gitignore").read_text().splitlines()
    if line.endswith("/")
]

# A link such as [text](path#section), but not one to a site.
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)(?:#[^)]*)?\)")


# What has the look of a test method, and what has the look of one with a docstring.
TEST_METHOD = re.compile(r"^ +(?:async )?def test_", re.M)
STATED = re.compile(
    r'^( +)(?:async )?def test_\w+\((?:[^()]|\([^()]*\))*\)(?: -> [^:\n]+)?:\n\1    r?"""(?!"")',
    re.M,
)


def is_ignored(folder: Path) -> bool:
    """Tell whether git passes over a folder."""
    place = f"/{folder.relative_to(ROOT)}"
    return any(
        fnmatchcase(place if rule.startswith("/") else folder.name, rule) for rule in IGNORED
    )


@cache
def files_below(folder: Path) -> tuple[Path, ...]:
    """Give the Python files of a folder of the tree; peers that benchmarks installed there have thousands of their own."""
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            found += () if is_ignored(path) else files_below(path)
        elif path.suffix == ".py":
            found.append(path)
    return tuple(found)


def modules(*folders: str) -> Iterator[Path]:
    """Give every Python file of the project below some folders."""
    for folder in folders:
        yield from files_below(ROOT / folder)


def name(path: Path) -> str:
    """Name a file as people do."""
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    """Parse a file. The trees of all files are not for keeping: each collection of garbage would go through them."""
    return ast.parse(path.read_text())


def head_of(path: Path) -> str:
    """Give the docstring of a module without reading on; empty if it has none."""
    with path.open() as file:
        for token in generate_tokens(file.readline):
            if token.type not in {tokenize.COMMENT, tokenize.NL}:
                return str(ast.literal_eval(token.string)) if token.type == tokenize.STRING else ""
    return ""


class LayoutTests(SynchronousTestCase):
    """Where things lie."""

    def test_twisted_folders_are_no_packages(self) -> None:
        """An C{__init__.py} in Twisted's plugin folders would hide Twisted itself or the plugin."""
        self.assertEqual([name(path) for path in ROOT.glob("twisted/**/__init__.py")], [])

    def test_one_file_for_twisted(self) -> None:
        """The plugin folder holds one module: all that is in it goes into Twisted's own package."""
        self.assertEqual([path.name for path in modules("twisted")], ["gateway_plugin.py"])

    def test_plugins_is_a_source_root(self) -> None:
        """C{plugins/} is no package, and each folder in it is one named C{gateway_*} with a README and tests."""
        self.assertFalse((ROOT / "plugins/__init__.py").exists())
        found = sorted(
            path.name
            for path in (ROOT / "plugins").iterdir()
            if path.is_dir() and path.name[0] not in "._"
        )
        self.assertEqual(found, BUNDLED)
        for plugin in BUNDLED:
            for part in ("README.md", "tests/__init__.py"):
                self.assertTrue((ROOT / "plugins" / plugin / part).is_file(), f"{plugin}/{part}")

    def test_every_test_is_found(self) -> None:
        """A folder with tests is a package, or trial passes over it in silence."""
        for path in modules("tests", "plugins"):
            if path.name.startswith("test_"):
                self.assertTrue((path.parent / "__init__.py").exists(), name(path))

    def test_unit_tests_mirror_the_packages(self) -> None:
        """A folder of C{tests/unit} has the name of the package that it tests."""
        folders = [path.parent for path in (ROOT / "tests/unit").rglob("__init__.py")]
        for folder in folders:
            inside = folder.relative_to(ROOT / "tests/unit")
            self.assertTrue((ROOT / "gateway" / inside).is_dir(), name(folder))


class ModuleTests(SynchronousTestCase):
    """What each module has and has not."""

    def test_head_docstring(self) -> None:
        """Each module says at its head what it is for."""
        for path in modules(*SOURCES):
            self.assertTrue(head_of(path).strip(), name(path))

    def test_test_methods_state_their_rule(self) -> None:
        """Each test method has a docstring: the rule in one sentence."""
        for path in modules("tests", "plugins"):
            if not path.name.startswith("test_"):
                continue
            text = path.read_text()
            # Parsing takes thrice as long as such a look.
            if len(STATED.findall(text)) == len(TEST_METHOD.findall(text)):
                continue
            kinds = [node for node in parsed(path).body if isinstance(node, ast.ClassDef)]
            for node in chain.from_iterable(kind.body for kind in kinds):
                if isinstance(
                    node, ast.FunctionDef | ast.AsyncFunctionDef
                ) and node.name.startswith("test_"):
                    self.assertTrue(
                        ast.get_docstring(node), f"{name(path)}:{node.lineno} {node.name}"
                    )

    def test_package_heads_hold_no_code(self) -> None:
        """An C{__init__.py} of the core holds a docstring; that of C{api}, its catalogue and the root also names what is public."""
        for path in modules("gateway"):
            if path.name != "__init__.py" or path.parent.name in {"api", "catalogue", "testing"}:
                continue
            body = parsed(path).body[1:]
            allowed = ast.Assign if path.parent == ROOT / "gateway" else ()
            self.assertEqual(
                [node for node in body if not isinstance(node, allowed)], [], name(path)
            )


class ImportTests(SynchronousTestCase):
    """What is loaded when."""

    #: Imports the command line and asks it for its help.
    COMMAND_LINE = "import gateway.tap; str(gateway.tap.Options())"

    @staticmethod
    @cache
    def loaded_by(statement: str) -> frozenset[str]:
        """Give the modules that a fresh interpreter has loaded after some statements."""
        program = f"import sys; {statement}; print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        return frozenset(done.stdout.split())

    def test_tap_leaves_the_reactor_open(self) -> None:
        """C{gateway.tap} and what it imports do not name the reactor, so that an option can still choose it."""
        loaded = self.loaded_by(self.COMMAND_LINE)
        self.assertIn("gateway.tap", loaded)
        self.assertNotIn("twisted.internet.reactor", loaded)

    def test_command_line_parses_without_the_service(self) -> None:
        """C{twistd gateway --help} loads neither the service nor the configuration: it must answer at once."""
        loaded = self.loaded_by(self.COMMAND_LINE)
        self.assertEqual(
            {part for part in loaded if part.startswith(("gateway.service", "gateway.config"))},
            set(),
        )

    def test_reactor_module_leaves_the_reactor_open(self) -> None:
        """The module of our reactor can be imported without installing one."""
        self.assertNotIn("twisted.internet.reactor", self.loaded_by("import gateway.net.reactor"))

    def test_plugin_file_loads_nothing_of_ours(self) -> None:
        """Every C{twistd} and C{trial} on the machine reads the plugin file: it names our modules as text only."""
        path = ROOT / "twisted/plugins/gateway_plugin.py"
        loaded = self.loaded_by(f"import runpy; runpy.run_path({str(path)!r})")
        self.assertEqual({part for part in loaded if part.split(".")[0] == "gateway"}, set())


class ListTests(SynchronousTestCase):
    """Lists in tool settings that a new folder must be added to."""

    def setUp(self) -> None:
        """Read the settings of the tools."""
        tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
        self.linter = tools["importlinter"]
        self.ruff = tools["ruff"]["lint"]

    def test_import_contracts_name_every_plugin(self) -> None:
        """Each plugin is a root of the import graph and a party to both contracts about plugins."""
        self.assertEqual(self.linter["root_packages"], ["gateway", *BUNDLED])
        contracts = {contract["name"]: contract for contract in self.linter["contracts"]}
        apart = contracts["Plugins are independent of one another"]
        public = contracts["Plugins import the public API of the gateway alone"]
        self.assertEqual(apart["modules"], BUNDLED)
        self.assertEqual(public["source_modules"], BUNDLED)

    def test_reactor_and_asyncio_are_banned(self) -> None:
        """The global reactor is named by C{gateway.tap} and by live tests only."""
        banned = self.ruff["flake8-tidy-imports"]["banned-api"]
        self.assertEqual(set(banned), {"twisted.internet.reactor", "asyncio"})
        excused = [
            place for place, rules in self.ruff["per-file-ignores"].items() if "TID251" in rules
        ]
        self.assertEqual(excused, ["gateway/tap.py", "tests/live/**"])


class DocumentTests(SynchronousTestCase):
    """What the documents point at exists."""

    def test_links_lead_somewhere(self) -> None:
        """Each relative link of a document names a file or folder of the tree."""
        documents = [
            *ROOT.glob("*.md"),
            *ROOT.glob("docs/**/*.md"),
            *ROOT.glob("*/*/README.md"),
            *ROOT.glob("*/README.md"),
        ]
        self.assertTrue(documents)
        for document in documents:
            if "venvs" in document.parts:
                continue
            for target in LINK.findall(document.read_text()):
                self.assertTrue((document.parent / target).exists(), f"{name(document)}: {target}")

    def test_architecture_shows_the_path_of_a_request(self) -> None:
        """The architecture page links to the modules that a request passes."""
        targets = LINK.findall((ROOT / "docs/architecture.md").read_text())
        linked = {str((ROOT / "docs" / target).resolve().relative_to(ROOT)) for target in targets}
        for part in ("wire", "modes", "pipeline", "net", "record"):
            self.assertTrue(any(path.startswith(f"gateway/{part}") for path in linked), part)


class DeployTests(SynchronousTestCase):
    """What is installed on servers fits the source."""

    def test_container_configuration(self) -> None:
        """The configuration of the image has no faults, and its health listener is where the image looks for it."""
        load(str(ROOT / "deploy/container.toml"), {})
        dockerfile = (ROOT / "deploy/Dockerfile").read_text()
        health = tomllib.loads((ROOT / "deploy/container.toml").read_text())["admin"]["health"]
        self.assertIn(f"http://127.0.0.1:{health.rpartition(':')[2]}/healthz", dockerfile)

    def test_unit_outlives_the_drain(self) -> None:
        """systemd gives the service longer to stop than the configuration gives running transactions by default."""
        unit = (ROOT / "deploy/gateway.service").read_text()
        (stop,) = re.findall(r"^TimeoutStopSec=(\d+)s$", unit, re.M)
        self.assertGreater(int(stop), load(None, {}).timeouts.drain)
