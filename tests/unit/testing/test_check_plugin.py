"""Tests of the check of plugins: a good one has no finding, and each fault has one that says where, what and how to mend it."""

from __future__ import annotations

import itertools
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Plugin
from gateway.testing import check_plugin

_number = itertools.count()

_HEAD = """
from dataclasses import dataclass
from typing import Annotated
from twisted.internet.defer import CancelledError
from gateway.api import *
from gateway.api.settings import Help, Secret, SecretText
"""


class CheckTestCase(SynchronousTestCase):
    """Writes a plugin to a file of its own, as an author does."""

    #: What stands beside the plugin.
    readme: str | None = "What it does."

    def made(self, body: str, **names: object) -> type[Plugin]:
        """Import a module with this text, which may use these names, and give its C{Checked}."""
        folder = Path(self.mktemp())
        folder.mkdir()
        name = f"gateway_checked_{next(_number)}"
        file = folder / f"{name}.py"
        file.write_text(_HEAD + dedent(body))
        (folder / "pyproject.toml").write_text("")
        if self.readme is not None:
            (folder / "README.md").write_text(self.readme)
        module = ModuleType(name)
        module.__file__ = str(file)
        vars(module).update(names)
        sys.modules[name] = module
        self.addCleanup(sys.modules.pop, name)
        exec(compile(file.read_text(), str(file), "exec"), vars(module))
        found: type[Plugin] = module.__dict__["Checked"]
        return found

    def finding(self, body: str, settings: object = None) -> str:
        """Check a plugin that has one fault, and give the finding."""
        found = check_plugin(self.made(body), settings)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].endswith("."), found[0])
        return found[0]


class ReviewTests(CheckTestCase):
    """What a plugin says of its settings."""

    def test_cautions_are_no_findings(self) -> None:
        """A plugin that warns of its settings is as good as another."""
        body = """
            class Checked(Plugin):
                name = "checked"
                def review(self, around):
                    yield Caution("always")
        """
        self.assertEqual(check_plugin(self.made(body)), [])

    def test_raises(self) -> None:
        """One that raises in some surroundings is told in which."""
        found = self.finding(
            """
            class Checked(Plugin):
                name = "checked"
                def review(self, around):
                    around.listeners[0]
                    return ()
            """
        )
        self.assertIn("Checked.review: given no listener it raises IndexError", found)

    def test_wrong_answers(self) -> None:
        """What is no caution and no fault, and keys that are none, are findings."""
        for said, text in (
            ("'odd'", "it gives 'odd', a str; give Caution and SettingFault"),
            ("Caution('odd', 'key')", "the key 'key' is no tuple; write ('key',)"),
            (
                "SettingFault('odd', ('key',))",
                "the key ('key',) begins with no setting of the plugin",
            ),
        ):
            body = f"""
                class Checked(Plugin):
                    name = "checked"
                    def review(self, around):
                        return [{said}] if around.decrypt == "rules" else []
            """
            self.assertIn(text, self.finding(body))


_GOOD = """
    @dataclass(frozen=True, slots=True)
    class Settings:
        seconds: Annotated[float, Help("How often to refresh.")] = 60.0
        token: Annotated[SecretText | None, Help("For the service.")] = None

    class Counts(BodyFilter):
        changes_length = False

    class Checked(Plugin):
        name = "checked"
        Settings = Settings

        def start(self):
            self.services.every(self.settings.seconds, self.refresh, at_once=True)

        async def refresh(self):
            answer = await self.services.http.request("GET", "http://lists.example/")
            await self.services.store.set("list", answer.content)

        @hookimpl()
        def client_connected(self, client):
            return None

        @hookimpl()
        async def request_headers(self, txn):
            try:
                listed = await self.services.store.get(txn.request.host)
            except CancelledError:
                raise
            except Exception:
                listed = None
            return None if listed is None else Block("listed")

        @hookimpl()
        def response_filters(self, txn):
            return Counts()

        @hookimpl()
        def page(self, txn, name):
            return None

        @hookimpl()
        def event(self, event):
            pass
"""


class GoodTests(CheckTestCase):
    """Plugins without a fault."""

    def test_no_finding(self) -> None:
        """A plugin that keeps the rules has none, with or without settings of its own."""
        plugin = self.made(_GOOD)
        self.assertEqual(check_plugin(plugin), [])
        self.assertEqual(check_plugin(plugin, {"seconds": 5.0}), [])
        self.assertEqual(check_plugin(plugin, plugin.Settings(seconds=1.0)), [])

    def test_answers(self) -> None:
        """A start that needs a certain answer gets it from the author's own check."""
        plugin = self.made("""
            import json
            class Checked(Plugin):
                name = "checked"
                async def start(self):
                    answer = await self.services.http.request("GET", "http://lists.example/")
                    json.loads(answer.content)
        """)
        (found,) = check_plugin(plugin)
        self.assertIn("start: it raises JSONDecodeError", found)
        self.assertEqual(check_plugin(plugin, http={"http://lists.example/": b"{}"}), [])

    def test_bundled(self) -> None:
        """The bundled upload limit has none."""
        from gateway_upload_limit import plugin

        self.assertEqual(check_plugin(plugin), [])


class DeclarationTests(CheckTestCase):
    """What can be seen without running anything."""

    def test_no_plugin(self) -> None:
        """What is no plugin is refused."""
        (found,) = check_plugin(dict)  # type: ignore[arg-type]
        self.assertIn("no plugin", found)

    def test_name(self) -> None:
        """A name is small letters, digits and underscores, and no key of the table."""
        for name in ("", "Checked", "block-hosts", "9lives"):
            found = self.finding(f"class Checked(Plugin):\n    name = {name!r}")
            self.assertIn(f"Checked.name: {name!r} is no name", found)
        found = self.finding("class Checked(Plugin):\n    name = 'enabled'")
        self.assertIn("take another name", found)

    def test_place(self) -> None:
        """A finding names file, line and class."""
        found = self.finding("class Checked(Plugin):\n    name = ''")
        self.assertRegex(found, r"^\w+/gateway_checked_\d+\.py:7 Checked\.name: ")

    def test_help(self) -> None:
        """A setting without a help text is named."""
        found = self.finding("""
            @dataclass(frozen=True)
            class Settings:
                limit: int = 5
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("Checked.Settings.limit: the setting has no help text", found)

    def test_required(self) -> None:
        """A setting without a default needs an example, which shows that it is meant."""
        body = """
            @dataclass(frozen=True)
            class Settings:
                limit: Annotated[int, Help("The limit."{})]
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """
        found = self.finding(body.format(""), {"limit": 5})
        self.assertIn("limit: the setting has no default; give it one", found)
        self.assertEqual(check_plugin(self.made(body.format(', "5"')), {"limit": 5}), [])
        found = self.finding(body.format(', "5"'))
        self.assertIn("plugins.checked.limit: is missing; The limit.", found)

    def test_settings_that_change(self) -> None:
        """Settings are frozen."""
        found = self.finding("""
            @dataclass
            class Settings:
                limit: Annotated[int, Help("The limit.")] = 5
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("Settings: it can be changed", found)

    def test_plain_secret(self) -> None:
        """A secret is not kept in a plain string."""
        found = self.finding("""
            @dataclass(frozen=True)
            class Settings:
                api_token: Annotated[str, Help("The token.")] = ""
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("api_token: a secret in plain text", found)

    def test_key_of_the_gateway(self) -> None:
        """C{fail} and C{budget} in a plugin's table are read by the gateway and never reach the plugin."""
        found = self.finding("""
            @dataclass(frozen=True)
            class Settings:
                budget: Annotated[int, Help("How much.")] = 5
            class Checked(Plugin):
                name = "checked"
                Settings = Settings
        """)
        self.assertIn("the gateway itself reads budget", found)

    def test_imports(self) -> None:
        """What is not for plugins is named with file and line, and so is what blocks or bypasses the gateway."""
        found = check_plugin(
            self.made("""
            from gateway.config.units import size_text
            import asyncio
            class Checked(Plugin):
                name = "checked"
        """)
        )
        self.assertEqual(len(found), 2, found)
        self.assertRegex(found[0], r"\.py:8: gateway\.config\.units\.size_text is not for plugins")
        self.assertIn("it imports asyncio", found[1])

    def test_twin_of_the_gateway(self) -> None:
        """A package whose name only begins like ours is nobody's business."""
        source = "class Checked(Plugin):\n    name = 'checked'\n    import json as gateway_lists\n"
        self.assertEqual(check_plugin(self.made(source)), [])


class ReadmeTests(CheckTestCase):
    """A plugin whose package has no README."""

    readme = None

    def test_readme(self) -> None:
        """A plugin without a README is told what to write there."""
        found = self.finding("class Checked(Plugin):\n    name = 'checked'")
        self.assertIn("there is no README beside its package", found)


class LoadingTests(CheckTestCase):
    """What the gateway would refuse at start."""

    def test_misspelt_hook(self) -> None:
        """A mark on what is no hook names the nearest one."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_header(self, txn):
                    pass
        """)
        self.assertIn("there is no hook request_header; did you mean request_headers?", found)

    def test_no_mark(self) -> None:
        """A hook without a mark would never be called."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                def request_headers(self, txn):
                    pass
        """)
        self.assertIn("overrides request_headers without @hookimpl()", found)

    def test_arguments(self) -> None:
        """A hook takes what it is given."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_headers(self):
                    pass
        """)
        self.assertIn("request_headers must take (self, txn)", found)

    def test_version(self) -> None:
        """A version of the API that is not there is said."""
        found = self.finding(
            "class Checked(Plugin):\n    name = 'checked'\n    requires_api = (9, 0)"
        )
        self.assertIn("needs gateway.api 9.0", found)

    def test_cannot_be_made(self) -> None:
        """What raises when it is made is told to open nothing there."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                def __init__(self, settings, services):
                    raise OSError("no such file")
        """)
        self.assertIn("__init__: it raises OSError: no such file; open nothing there", found)


class LifeTests(CheckTestCase):
    """Starting and stopping."""

    def test_start_raises(self) -> None:
        """A start that fails although everything answers is said."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    raise ValueError("no list")
        """)
        self.assertIn("start: it raises ValueError: no list, although every service answers", found)

    def test_stop_twice(self) -> None:
        """A second stop does no harm."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                file = None
                def start(self):
                    self.file = [1]
                def stop(self):
                    if self.file is not None:
                        self.file.pop()
        """)
        self.assertIn("stop: it raises IndexError", found)
        self.assertIn("when it is called a second time", found)

    def test_stop_without_start(self) -> None:
        """A plugin is stopped although its start failed, or was never begun."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    self.file = open("/dev/null")
                def stop(self):
                    self.file.close()
        """)
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn("stop: it raises AttributeError", found[0])
        self.assertIn("although it was never started", found[0])

    def test_stop_after_failed_start(self) -> None:
        """A plugin whose start was cut short can be stopped, too."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                began = done = False
                async def start(self):
                    self.began = True
                    await self.services.http.request("GET", "http://lists.example/")
                    self.done = True
                def stop(self):
                    if self.began and not self.done:
                        raise KeyError("half")
        """)
        )
        self.assertEqual(len(found), 2, found)
        self.assertIn("after a start that failed", found[0])
        self.assertIn("after a start that was given up", found[1])

    def test_work_left(self) -> None:
        """What stays on the clock after stop is named."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    self.services.clock.callLater(60, self.refresh)
                def refresh(self):
                    pass
        """)
        )
        self.assertIn("it leaves a call of Checked.refresh on the clock", found[0])
        self.assertIn("services.every", found[0])

    def test_thread_left(self) -> None:
        """A thread that goes on after stop is named."""
        release = threading.Event()
        self.addCleanup(release.set)
        found = check_plugin(
            self.made(
                """
            import threading
            class Checked(Plugin):
                name = "checked"
                def start(self):
                    threading.Thread(target=release.wait, name="worker", daemon=True).start()
        """,
                release=release,
            )
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn("the thread 'worker' still runs after it", found[0])


class HookTests(CheckTestCase):
    """What hooks answer."""

    def test_wrong_answer(self) -> None:
        """An answer of a wrong type is shown with the request that brought it out and the types allowed."""
        found = check_plugin(
            self.made("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_headers(self, txn):
                    return txn.request.method == "POST" or None
        """)
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn(
            "request_headers: asked with POST it answers True, a bool; "
            "answer Allow | Block | Respond | ReadContent | None.",
            found[0],
        )

    def test_raises(self) -> None:
        """A hook that raises for some request is shown with it."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                async def request_headers(self, txn):
                    if txn.request.method == "CONNECT":
                        txn.request.scheme[0]
        """)
        self.assertIn("request_headers: asked with CONNECT it raises IndexError", found)

    def test_client_hello(self) -> None:
        """A hook for TLS is asked about clients that say much and clients that say little."""
        found = self.finding(
            """
            class Checked(Plugin):
                name = "checked"

                @hookimpl()
                def client_hello(self, client: Client, hello: ClientHello) -> Tunnel | None:
                    return Tunnel() if hello.server_name[0] == "p" else None
            """
        )
        self.assertIn(
            ".client_hello: asked with a client that names no host it raises IndexError", found
        )

    def test_intercepted_connect(self) -> None:
        """A plugin that counts ends is told of a CONNECT that was decrypted, too."""
        found = self.finding(
            """
            class Checked(Plugin):
                name = "checked"

                @hookimpl()
                def transaction_complete(self, txn: Transaction) -> None:
                    {Delivered: 0, Tunnelled: 1}[type(txn.outcome)]
            """
        )
        self.assertIn(
            ".transaction_complete: asked with an intercepted CONNECT it raises KeyError", found
        )

    def test_swallowed_cancel(self) -> None:
        """A hook that goes on when it is cancelled is told what to write."""
        found = self.finding("""
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                async def request_headers(self, txn):
                    try:
                        await self.services.http.request("GET", "http://lists.example/")
                    except Exception:
                        return None
        """)
        self.assertIn("request_headers: it goes on after CancelledError", found)

    def test_filter_of_another_length(self) -> None:
        """A filter that says it keeps the length keeps it."""
        found = self.finding("""
            class Doubles(BodyFilter):
                changes_length = False
                def data(self, chunk):
                    return chunk * 2
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def response_filters(self, txn):
                    return Doubles()
        """)
        self.assertIn("changes_length = False and changes the length", found)

    def test_filter_that_raises(self) -> None:
        """A filter that breaks on a plain page is shown."""
        found = check_plugin(
            self.made("""
            class Breaks(BodyFilter):
                def end(self):
                    raise KeyError("end")
            class Checked(Plugin):
                name = "checked"
                @hookimpl()
                def request_filters(self, txn):
                    return Breaks()
        """)
        )
        self.assertEqual(len(found), 1, found)
        self.assertIn("request_filters: its filter raises KeyError: 'end'", found[0])


class ScanTests(CheckTestCase):
    """What a plugin says of content."""

    PACKED = """
        from dataclasses import replace
        class Some:
            def __init__(self, job):
                self.left = [replace(job, member="a", depth=1)]
            async def more(self):
                left, self.left = self.left, []
                return left
            def close(self):
                self.left = []
        class Checked(Plugin):
            name = "checked"
            @hookimpl()
            def content_need(self, txn, side):
                return Whole(1000)
            @hookimpl()
            def scan_patterns(self):
                return "checked 1"
            @hookimpl()
            def unpack_content(self, job):
                return Unpacked("zip", Some(job)) if job.content[:2] == b"PK" else NotPacked()
            @hookimpl()
            def scan_content(self, job):
                return Clean("checked", "1", Coverage(job.size, nested=False))
    """

    def changed(self, before: str, after: str) -> list[str]:
        """Check the plugin with one change."""
        self.assertEqual(self.PACKED.count(before), 1)
        return check_plugin(self.made(self.PACKED.replace(before, after)))

    def test_good(self) -> None:
        """One that unpacks and scans as it should has no finding."""
        self.assertEqual(check_plugin(self.made(self.PACKED)), [])

    def test_faults(self) -> None:
        """What would make content unscanned, or unpacking fail, is told with the sample that shows it."""
        for before, after, text in (
            (
                "Coverage(job.size",
                "Coverage(job.size // 2",
                "asked with a page it says clean of 9 bytes of 18",
            ),
            (", depth=1", "", "asked with an archive it gives a member without a name or a depth"),
            ("return left", "return [5]", "asked with an archive it gives 5 for a member"),
            ("return left", "1 / 0", "the members of an archive raise ZeroDivisionError"),
            ("self.left = self.left, []", "_ = self.left, []", "of an archive have no end"),
            (
                "def close(self):\n                self.left = []",
                "def close(self):\n                1 / 0",
                "closing the members of an archive",
            ),
            ('return "checked 1"', "return 1", "scan_patterns: asked with what it scans with it"),
        ):
            found = self.changed(before, after)
            self.assertTrue(any(text in one for one in found), (text, found))


@dataclass(frozen=True, slots=True)
class _Loose:
    """Settings for L{Bare}."""


class Bare(Plugin):
    """A plugin in a module of tests, whose own README counts for its project."""

    name = "bare"
    Settings = _Loose


class PlaceTests(SynchronousTestCase):
    """Where a plugin is found."""

    def test_class_of_a_test(self) -> None:
        """A class of a test module is looked at like any other; files of tests are not read for imports."""
        self.assertEqual([found for found in check_plugin(Bare) if "README" not in found], [])
