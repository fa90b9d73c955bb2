"""
A headless Chromium that a test drives: by the DevTools protocol over two pipes, as if a person went to pages and filled in forms.

It has a profile and a home of its own, with the certificates that it is told to trust in the NSS database there.
"""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.live.processes import PATIENCE, DidNotHappen, Program, made_folder, program_path, until


class Chromium(Program):
    """One browser with one window."""

    def __init__(
        self,
        test: SynchronousTestCase,
        proxy: str,
        trusted: Sequence[Path] = (),
        *,
        bypass: str = "<-loopback>",
    ) -> None:
        """
        Start it.

        @param proxy: C{host:port}, which everything goes through, loopback too.
        @param trusted: certificates of authorities.
        @param bypass: what does not go through the proxy.
        """
        folder = made_folder(test)
        database = folder / ".pki" / "nssdb"
        database.mkdir(parents=True)
        for words in (
            ("-N", "--empty-password"),
            *(
                ("-A", "-t", "C,,", "-n", f"ca-{number}", "-i", str(path))
                for number, path in enumerate(trusted)
            ),
        ):
            subprocess.run(
                [program_path("certutil"), "-d", f"sql:{database}", *words],
                check=True,
                timeout=PATIENCE,
            )
        to_it, self._out = os.pipe()
        self._in, from_it = os.pipe()

        def as_3_and_4() -> None:
            # By way of numbers that are none of the four.
            first, second = os.dup2(to_it, 103), os.dup2(from_it, 104)
            os.dup2(first, 3)
            os.dup2(second, 4)

        super().__init__(
            test,
            [
                program_path("chromium"),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                f"--user-data-dir={folder}/profile",
                f"--proxy-server=http://{proxy}",
                f"--proxy-bypass-list={bypass}",
                "--remote-debugging-pipe",
                "about:blank",
            ],
            folder=folder,
            environment={"HOME": str(folder)},
            prepare=as_3_and_4,
            keep=(3, 4, to_it, from_it),
        )
        os.close(to_it)
        os.close(from_it)
        test.addCleanup(os.close, self._out)
        test.addCleanup(os.close, self._in)
        self._buffer = b""
        self._count = 0
        self._session = ""
        target = self._said("Target.createTarget", url="about:blank")["targetId"]
        attached = self._said("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self._said("Page.enable")

    def go(self, url: str) -> str:
        """Go to a page and give its text when it is there, wherever redirects have led."""
        before = self.run("performance.timeOrigin")
        self.begin(url)
        return self._arrived(before)

    def begin(self, url: str) -> None:
        """Go to a page and wait for nothing."""
        self._said("Page.navigate", url=url)

    def sign_in(self, user: str, password: str) -> str:
        """Fill in the form that is shown, send it, and give the text of the page that comes of it."""
        before = self.run("performance.timeOrigin")
        self.run(
            f"document.getElementById('user').value = {json.dumps(user)};"
            f"document.getElementById('password').value = {json.dumps(password)};"
            "document.querySelector('button').click()"
        )
        return self._arrived(before)

    def press(self) -> str:
        """Press the button that is shown, and give the text of the page that comes of it."""
        before = self.run("performance.timeOrigin")
        self.run("document.querySelector('button').click()")
        return self._arrived(before)

    def save_in(self, folder: Path) -> None:
        """Let it save files, and where."""
        self._said("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def without_scripts(self) -> None:
        """Run no scripts of pages from now on."""
        self._said("Emulation.setScriptExecutionDisabled", value=True)

    def picture(self) -> bytes:
        """Give what is shown, as a PNG file."""
        self._said(
            "Emulation.setDeviceMetricsOverride",
            width=900,
            height=640,
            deviceScaleFactor=1,
            mobile=False,
        )
        return base64.b64decode(self._said("Page.captureScreenshot", format="png")["data"])

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.run("location.href"))

    def run(self, script: str) -> Any:
        """Run a script in the page and give what it gives."""
        answer = self._said("Runtime.evaluate", expression=script, returnByValue=True)
        return answer.get("result", {}).get("value")

    def _arrived(self, before: object) -> str:
        """Wait for another page than the one before, and for the last one where each leads to the next."""
        shown = (
            "document.readyState === 'complete' && performance.timeOrigin !== "
            f"{json.dumps(before)} && !document.querySelector('meta[http-equiv=refresh]')"
            " && location.href !== 'about:blank' ? document.body.innerText : null"
        )

        def there() -> bool:
            self.text_shown = self.run(shown)
            return self.text_shown is not None

        until(there, what="the page")
        return str(self.text_shown)

    def _said(self, method: str, **parameters: object) -> dict[str, Any]:
        self._count += 1
        message: dict[str, object] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            line, end, rest = self._buffer.partition(b"\0")
            if end:
                self._buffer = rest
                said = json.loads(line)
                if said.get("id") == self._count:
                    # A page that goes away in the midst of it gives an error, and is asked again.
                    result: dict[str, Any] = said.get("result", {})
                    return result
                continue
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._in, 65536) if ready else b""
            if not piece:
                raise DidNotHappen(f"{method} was not answered: {self.text[-2000:]}")
            self._buffer += piece
