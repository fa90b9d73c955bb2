"""What the documents show works, and what they name exists: examples are run, links, settings and commands are looked up."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import TestResult, defaultTestLoader

from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.api import Block
from gateway.api.hooks import HOOKS, NOT_CALLED_YET
from gateway.cli.main import COMMANDS
from gateway.config.describe import settings, table_struct
from gateway.config.load import load
from gateway.config.reading import fields_of
from gateway.config.schema import Config
from gateway.config.sections.plugins import Rule
from gateway.pipeline.plugins import load_plugins
from gateway.service import GatewayService
from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.unit.pipeline.builders import Bench, transaction

ROOT = Path(gateway.__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "deploy/README.md", *DOCS.glob("**/*.md")])

_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")
#: An example says in its first line which file it is.
_FILE = re.compile(r"^```(python|toml)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


def name(path: Path) -> str:
    """Name a file as people do."""
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """Give a page without its blocks of code."""
    return _FENCED.sub("", page.read_text())


def files(page: Path) -> dict[str, list[str]]:
    """Give the files that a page shows, by name; most are there once."""
    found: dict[str, list[str]] = {}
    for _, file, body in _FILE.findall(page.read_text()):
        found.setdefault(file, []).append(f"# {file}\n{body}")
    return found


def anchor(heading: str) -> str:
    """Give the anchor of a heading as renderers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def is_file(code: str) -> bool:
    """Tell whether a dotted word is a file or a module of ours and no setting."""
    module = ROOT / code.replace(".", "/")
    files = (
        ".py",
        ".toml",
        ".tac",
        ".service",
        ".socket",
        ".sysusers",
        ".plugins",
        ".plugin",
        ".pw",
    )
    return code.endswith(files) or module.is_dir() or module.with_suffix(".py").is_file()


def setting_names() -> set[str]:
    """Give every dotted name of a setting, and of each table on the way to it."""
    names: set[str] = set()
    for table in fields_of(Config):
        names.add(table.key)
        for setting in settings(table_struct(table)):
            parts = f"{table.key}.{setting.key}".split(".")
            names.update(".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return names


class ExampleTestCase(SynchronousTestCase):
    """Installs the plugin that a page shows, as pip would, for the time of a test."""

    page: Path

    def setUp(self) -> None:
        """Lay the page's files into a folder and note the entry points beside them."""
        self.files = files(self.page)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        for file, (body, *_) in self.files.items():
            (self.folder / file).write_text(body)
        project = tomllib.loads(self.files["pyproject.toml"][0])["project"]
        self.points = project["entry-points"]["gateway.plugins"]
        noted = self.folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        noted.mkdir()
        (noted / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines = "".join(f"{key} = {value}\n" for key, value in self.points.items())
        (noted / "entry_points.txt").write_text(f"[gateway.plugins]\n{lines}")
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))
        for file in self.files:
            self.addCleanup(sys.modules.pop, file.removesuffix(".py"), None)
        importlib.invalidate_caches()

    def module(self) -> ModuleType:
        """Import the module of the page's plugin."""
        ((_, value),) = self.points.items()
        return importlib.import_module(value.partition(":")[0])

    def gateway(self, **settings: object) -> Harness:
        """Start a gateway in memory with the page's plugin and some of its settings."""
        (point,) = self.points
        said = {f"plugins.{point}.{key}": value for key, value in settings.items()}
        said["forward.allow_from"] = ["192.0.2.0/24"]
        made = Harness(
            GatewayService, said, folder=self.mktemp(), plugins={point: self.module().plugin}
        )
        self.addCleanup(made.stop)
        return made

    def loads(self) -> None:
        """Load the page's configuration with the plugin that it installs."""
        config = load(str(self.folder / "gateway.toml"), {}, {})
        loaded = load_plugins(config, Bench().services)
        self.assertEqual(list(loaded.plugins), list(config.plugins.enabled))
        self.assertLessEqual(set(self.points), set(loaded.plugins))


class ReadmeExampleTests(ExampleTestCase):
    """The plugin of the README."""

    page = ROOT / "README.md"

    def test_it_is_short(self) -> None:
        """What is shown to newcomers stays small: a dozen lines of code."""
        lines = [line for line in self.files["gateway_no_ads.py"][0].splitlines() if line]
        self.assertLessEqual(len(lines), 13)

    def test_it_is_installed_and_loaded(self) -> None:
        """Package data and configuration as shown lead to a loaded plugin."""
        self.loads()

    def test_it_works(self) -> None:
        """A host that begins with ads. gets 403, a reason in the log and no connection; others pass."""
        gateway = self.gateway()
        client = gateway.client()
        client.send(request(b"http://ads.example.com/"))
        self.assertEqual(client.response().status, 403)
        self.assertIn(b"ads.example.com shows nothing but ads.", client.received)
        self.assertEqual((gateway.line["outcome"], gateway.line["reason"]), ("refused", "ads"))
        gateway.origin(reply=response(b"welcome"))
        other = gateway.client()
        other.send(request(b"http://origin.example.com/"))
        self.assertEqual(other.response().status, 200)


class PluginPageTests(ExampleTestCase):
    """The plugin of docs/plugins.md."""

    page = DOCS / "plugins.md"

    def test_it_is_installed_and_loaded(self) -> None:
        """Package data and configuration as shown lead to a loaded plugin."""
        self.loads()

    def test_it_works(self) -> None:
        """A listed host is refused; of an answer that passes the log tells the weight."""
        gateway = self.gateway(hosts=["tracker.example.net"])
        client = gateway.client()
        client.send(request(b"http://tracker.example.net/"))
        self.assertEqual(client.response().status, 403)
        gateway.origin(reply=response(b"twelve bytes"))
        other = gateway.client()
        other.send(request(b"http://origin.example.com/"))
        self.assertEqual(other.response().status, 200)
        refused, passed = gateway.log
        self.assertEqual((refused["outcome"], refused["reason"]), ("refused", "quiet"))
        self.assertEqual(passed["notes"], {"weight": "12"})

    def test_its_tests_pass(self) -> None:
        """The tests that the page shows run and pass."""
        result = TestResult()
        shown = importlib.import_module("test_quiet_hosts")
        tests = defaultTestLoader.loadTestsFromTestCase(shown.QuietHostsTests)
        tests.run(result)
        self.assertEqual((result.errors, result.failures), ([], []))
        self.assertEqual(result.testsRun, 2)

    def test_tests_about_tls_pass(self) -> None:
        """So do those of the plugin that decides what is decrypted."""
        result = TestResult()
        shown = importlib.import_module("test_private_hosts")
        tests = defaultTestLoader.loadTestsFromTestCase(shown.PrivateHostsTests)
        tests.run(result)
        self.assertEqual((result.errors, result.failures), ([], []))
        self.assertEqual(result.testsRun, 3)

    def test_tests_about_cautions_pass(self) -> None:
        """So do those of the plugin that looks at what is around its settings."""
        result = TestResult()
        shown = importlib.import_module("test_quiet_paths")
        tests = defaultTestLoader.loadTestsFromTestCase(shown.QuietPathsTests)
        tests.run(result)
        self.assertEqual((result.errors, result.failures), ([], []))
        self.assertEqual(result.testsRun, 2)

    def test_hooks_that_are_not_called(self) -> None:
        """The page lists the hooks that are refused at start, all of them and no others."""
        (rule,) = [line for line in prose(self.page).splitlines() if "refused at start" in line]
        following = prose(self.page).partition(rule)[2].partition("\n\n")[0]
        named = {code for code in _CODE.findall(rule + following) if code in HOOKS}
        self.assertEqual(named, set(NOT_CALLED_YET))


class HookPageTests(SynchronousTestCase):
    """The plugin at the head of docs/hooks.md."""

    def test_it_works(self) -> None:
        """It blocks the host that it names and has no opinion on others."""
        (shown,) = re.findall(
            r"^```python\n(from .*?)^```$",
            (DOCS / "hooks.md").read_text(),
            re.MULTILINE | re.DOTALL,
        )
        found: dict[str, Any] = {"__name__": "shown"}
        exec(compile(shown, "docs/hooks.md", "exec"), found)
        bench = Bench()
        config = load(None, {"plugins.enabled": ["block_hosts"]}, {})
        loaded = load_plugins(config, bench.services, extra={"block_hosts": found["plugin"]})
        ask = loaded.plans.request_headers
        assert ask is not None
        self.assertIsInstance(ask(transaction(host="bad.example")), Block)
        self.assertIsNone(ask(transaction(host="good.example")))


class ConfigurationExampleTests(SynchronousTestCase):
    """Configurations that pages show."""

    def test_they_have_no_faults(self) -> None:
        """Each C{gateway.toml} of a page loads as it stands."""
        environ = {"PARENT_PASSWORD": "for a test"}
        shown = 0
        for page in PAGES:
            for text in files(page).get("gateway.toml", ()):
                path = Path(self.mktemp())
                path.write_text(text)
                load(str(path), {}, environ)
                shown += 1
        self.assertGreater(shown, 5)


class NameTests(SynchronousTestCase):
    """Names in running text."""

    def test_settings(self) -> None:
        """A setting that a page names is one: C{table.key}, where the table is one of ours."""
        known = setting_names()
        tables = {field.key for field in fields_of(Config)}
        rules = {field.key for field in fields_of(Rule)}
        seen = 0
        for page in PAGES:
            for code in _CODE.findall(prose(page)):
                table, dot, rest = code.partition(".")
                if not dot or table not in tables or not re.fullmatch(r"[a-z_.]+", rest):
                    continue
                if is_file(code) or (table == "plugins" and rest.rpartition(".")[2] in rules):
                    continue
                if rest in ("upload_limit", "upload_limit.limit"):
                    continue
                if page.name == "settings.md" and any(f"{one}.{code}" in known for one in tables):
                    # There keys stand below their table, such as those of [threads] scan.
                    continue
                seen += 1
                self.assertIn(code, known, name(page))
        self.assertGreater(seen, 50)

    def test_commands(self) -> None:
        """A command of the program C{gateway} that a page shows is one."""
        commands = {command.NAME for command in COMMANDS}
        shown = {
            found
            for page in PAGES
            for found in re.findall(
                r"(?:`|\.venv/bin/|/opt/gateway/bin/)gateway ([a-z]+)", page.read_text()
            )
        }
        self.assertTrue(shown)
        self.assertEqual(shown - commands, set())

    def test_targets_of_make(self) -> None:
        """A target of make that a page shows is in the Makefile."""
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        shown = {
            found
            for page in PAGES
            for found in re.findall(r"(?:`|^    )make ([a-z-]+)", page.read_text(), re.MULTILINE)
        }
        self.assertLessEqual({"run", "test", "bench"}, shown)
        self.assertEqual(shown - targets, set())

    def test_metrics(self) -> None:
        """A metric that a page names is in the list of metrics."""
        listed = set(re.findall(r"`(gateway_\w+)`", (DOCS / "metrics.md").read_text()))
        plugins = {path.name for path in ROOT.glob("plugins/gateway_*")}
        for page in PAGES:
            for found in re.findall(
                r"`(gateway_\w+_(?:total|seconds|bytes|fds|waiting))`", prose(page)
            ):
                if found not in plugins:
                    self.assertIn(found, listed, name(page))

    def test_names_in_links_to_modules(self) -> None:
        """What a link to a module names is defined there: C{[`Pipeline.run`](.../run.py)}."""
        seen = 0
        for page in PAGES:
            for text, target, _ in _LINK.findall(prose(page)):
                if not target.endswith(".py") or "/tests/" in target or "test_" in target:
                    continue
                source = (page.parent / target).resolve().read_text()
                for code in _CODE.findall(text):
                    if "/" in code or code.endswith((".py", "*")):
                        continue
                    for part in code.split("."):
                        seen += 1
                        self.assertRegex(
                            source,
                            rf"(?m)^\s*(?:async )?(?:def|class) {part}\b|^{part}\b.* = ",
                            f"{name(page)}: {code}",
                        )
        self.assertGreater(seen, 30)


class LinkTests(SynchronousTestCase):
    """The pages as a whole."""

    def links(self, page: Path) -> Iterator[tuple[Path, str]]:
        """Give the targets of a page's links into the tree, with their anchors."""
        for _, target, section in _LINK.findall(prose(page)):
            yield (page.parent / target).resolve() if target else page, section

    def test_anchors(self) -> None:
        """A link to a section of a page leads to a heading."""
        for page in PAGES:
            for target, section in self.links(page):
                if section and target.suffix == ".md":
                    headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                    self.assertIn(section, set(map(anchor, headings)), name(page))

    def test_every_page_is_found_from_the_readme(self) -> None:
        """Whoever begins at the README comes by links to each page of C{docs/}."""
        found: set[Path] = set()
        left = [ROOT / "README.md"]
        while left:
            page = left.pop()
            if page in found or page.suffix != ".md" or not page.exists():
                continue
            found.add(page)
            left += [target for target, _ in self.links(page)]
        self.assertEqual([name(page) for page in PAGES if page not in found], [])

    def test_no_page_speaks_of_one_machine(self) -> None:
        """Examples use example.com, loopback and the addresses set aside for documents."""
        for page in PAGES:
            # More numbers than four are an OID.
            for address in re.findall(
                r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\d)", page.read_text()
            ):
                self.assertRegex(
                    address,
                    r"^(?:0\.0\.0\.0|10\.|127\.|169\.254\.|172\.16\.|192\.0\.2\.|192\.168\.|198\.51\.100\.|203\.0\.113\.)",
                    name(page),
                )


class DecisionTests(SynchronousTestCase):
    """The pages of docs/decisions."""

    def test_form(self) -> None:
        """Decisions are numbered without a gap, have the three sections, and stand in the list under their title."""
        pages = sorted(DOCS.glob("decisions/[0-9]*.md"))
        listed = (DOCS / "decisions/README.md").read_text()
        for number, page in enumerate(pages, 1):
            text = page.read_text()
            title = text.splitlines()[0]
            self.assertTrue(page.name.startswith(f"{number:04d}-"), page.name)
            self.assertTrue(title.startswith(f"# {number:04d} "), page.name)
            self.assertEqual(
                re.findall(r"^## (.*)$", text, re.MULTILINE),
                ["Context", "Decision", "Consequences"],
                page.name,
            )
            self.assertIn(f"| [{number:04d}]({page.name}) | {title[7:]} |", listed)


class ThreatTests(SynchronousTestCase):
    """The threat model."""

    def test_each_threat_names_what_holds_it(self) -> None:
        """The last column of every threat links to a test, or to a file or command that can be looked at."""
        rows = re.findall(r"^\| \*\*.*\|$", (DOCS / "threat-model.md").read_text(), re.MULTILINE)
        self.assertGreater(len(rows), 30)
        for row in rows:
            held = row.removesuffix("|").rpartition("|")[2]
            self.assertRegex(held, r"\]\(|`make ", row)
