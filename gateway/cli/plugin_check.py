"""C{gateway plugin check PATH}: judge a plugin that need not be installed, in a process of its own."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from gateway.cli.command import (
    DONE,
    FAULTY,
    NOT_DONE,
    add_json,
    show_config_error,
    write_json,
)
from gateway.cli.plugin_source import NoPlugin, Source, sources
from gateway.config.faults import ConfigError, Fault
from gateway.config.load import load

NAME = "check"
SUMMARY = "judge a plugin: does it load, fit its hooks, document its settings, stop as it should"
DESCRIPTION = """\
Imports a plugin, makes it with its settings and tries it without a reactor and without sockets; says what is wrong,
where, and how to mend it. PATH is a package, a module, or a repository as gateway plugin new writes it. The
code runs in a process of its own with the rights of whoever asks: it is no sandbox."""
EXAMPLES = """
  gateway plugin check .
      the repository in this folder
  gateway plugin check gateway_block_hosts.py --config gateway.toml
      one module, with the settings of this configuration
"""
EXIT_CODES = {
    DONE: "nothing to mend",
    NOT_DONE: "there is something to mend",
    FAULTY: "there is no plugin at PATH, the configuration has faults, or a wrong command line",
}

SECONDS = 60.0
"""How long the plugin may take for all of it."""

_SHOWN_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend."""

    plugin: str
    where: str
    """A file, with a line if one is known."""
    what: str
    mend: str

    def __str__(self) -> str:
        """Write one line: where, what, and in parentheses how to mend it."""
        text = f"{self.where}: {self.what}"
        return f"{text} ({self.mend})" if self.mend else text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("path", metavar="PATH", help="a package, a module, or a repository")
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="whose [plugins.NAME] has the settings to try it with",
    )
    add_json(parser)


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Find the plugin, judge it and report."""
    try:
        config = load(options.config)
        found = sources(Path(options.path))
    except ConfigError as error:
        return show_config_error(error, options, out, err)
    except NoPlugin as error:
        return show_config_error(ConfigError([Fault(str(error))]), options, out, err)
    findings: list[Finding] = []
    for source in found:
        findings += [Finding(source.name, str(source.file), *fault) for fault in source.faults]
        findings += judged(source, config.plugins.tables.get(source.name, {}))
    if options.json:
        plugins = [{"name": source.name, "module": source.module} for source in found]
        told = [
            {"plugin": one.plugin, "where": one.where, "what": one.what, "mend": one.mend or None}
            for one in findings
        ]
        write_json(out, {"ok": not findings, "plugins": plugins, "findings": told})
    elif findings:
        out.writelines(f"{finding}\n" for finding in findings)
        out.write(f"{len(findings)} to mend\n")
    else:
        out.write(f"nothing to mend in {', '.join(source.name for source in found)}\n")
    return NOT_DONE if findings else DONE


def judged(source: Source, settings: Any, seconds: float = SECONDS) -> list[Finding]:
    """
    Judge one plugin in a process of its own.

    @param settings: its table of the configuration, as TOML gave it.
    @param seconds: after these the process is ended, with all that it started.
    """
    asked = {
        "root": str(source.root),
        "module": source.module,
        "attribute": source.attribute,
        "name": source.name,
        "settings": settings,
    }
    process = subprocess.Popen(
        # -P: no module of the folder that the command is called in takes the place of one of ours.
        [sys.executable, "-P", "-m", "gateway.cli.plugin_judge"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        answer, noise = process.communicate(json.dumps(asked, default=str), seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        return [
            Finding(
                source.name,
                str(source.file),
                f"it was not done within {seconds:g} s",
                "nothing may wait when it is imported or made; start() may, for what it awaits",
            )
        ]
    except BaseException:
        _end(process)
        raise
    try:
        told = json.loads(answer)
    except ValueError:
        how = (
            f"ended by {signal.Signals(-process.returncode).name}"
            if process.returncode < 0
            else f"ended with status {process.returncode}"
        )
        last = noise.strip()[-_SHOWN_CHARACTERS:].replace("\n", " | ")
        what = f"the process that tried it was {how}" + (f": {last}" if last else "")
        mend = "a plugin must not end the process, nor write to the descriptor 1"
        return [Finding(source.name, str(source.file), what, mend)]
    return [Finding(source.name, *one) for one in told]


def _end(process: subprocess.Popen[str]) -> None:
    """End it and what it started, which is in its group unless it took care to leave it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
