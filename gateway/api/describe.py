"""
Write the reference of all hooks as Markdown: C{python -m gateway.api.describe > docs/hooks.md}.

Everything comes from the docstrings and specifications in L{gateway.api.hooks}; a test compares the page with them.
"""

from __future__ import annotations

import inspect
import re
import sys

from gateway.api.hooks import API_VERSION, HOOKS, NOT_CALLED_YET, Plugin
from gateway.api.marks import HookSpec

_RULES = {
    "first": "the first answer that is not `None`; the plugins after it are not asked",
    "all": "every plugin is asked, in the configured order",
    "identity": "the first Identity; without one, all Challenges together",
    "union": "every plugin is asked; the largest need counts",
    "worst": "every plugin is asked; the worst answer counts",
}

_HEAD = """# Hooks

This page is made from `gateway/api/hooks.py` by `python -m gateway.api.describe > docs/hooks.md`; change it there.
It describes `gateway.api` {version}.

A plugin is a subclass of `gateway.api.Plugin` that overrides the hooks it wants and marks each with `@hookimpl()`:

```python
from gateway.api import Block, Plugin, Transaction, hookimpl


class BlockHosts(Plugin):
    name = "block_hosts"

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | None:
        return Block("host is listed") if txn.request.host == "bad.example" else None


plugin = BlockHosts
```

Its package names it as an entry point, `entry_points={{"gateway.plugins": ["block_hosts = gateway_block_hosts:plugin"]}}`,
and it runs when the configuration says so. `[plugins] enabled` is the only source of the order in which plugins are asked.

- **Answers.** `Maybe[X]` means that `X` may come from a plain function, an `async def` or a Deferred. `None` means "no
  opinion". An answer of any other type than those named is an error.
- **Budget.** How long an answer may be waited for; then it is cancelled, which is an error. `budget` in `[plugins.x]` wins
  over `@hookimpl(budget_seconds=...)`, which wins over this page. A plain function can't be cut off: one that keeps the
  reactor longer than 5 ms is counted and named in the log. One call of sixteen is timed, and after a slow one each of
  the next 256 as well; of an `async def` the part before its first wait is timed each time.
- **Errors.** An exception, a time-out and a wrong answer are the same. Failing *closed* refuses what the plugin should have
  judged; failing *open* logs the error and goes on as if there were no opinion. `fail` in `[plugins.x]` wins over
  `@hookimpl(fail=...)`, which wins over this page. Where there is nothing left to refuse, it is always open. Five errors in a
  row raise the event `plugin_unhealthy`, the next good answer `plugin_healthy`; the rule keeps applying in between.
- **Cancelling.** When the client hangs up, what a hook waits for is cancelled: `CancelledError` is raised in it, and is not
  counted as an error. Never swallow it.

## The path of a request

```text
{path}
```

## All hooks

| hook | answer | of several answers | on error | budget |
| --- | --- | --- | --- | --- |
{table}
"""

_PATH = (
    ("accept", ("client_connected", "client_hello")),
    ("identify", ("authenticate",)),
    ("admit", ("request_headers",)),
    ("filter", ("request_filters", "content_need", "scan_content")),
    ("look up", ("cache_lookup",)),
    ("route", ("select_upstream", "upstream_connected")),
    ("judge", ("response_headers",)),
    ("deliver", ("response_filters", "content_need", "scan_content", "cache_store")),
    ("refuse", ("page",)),
    ("end", ("transaction_complete",)),
    ("any time", ("event", "admin_pages", "counters")),
)


def hooks_page() -> str:
    """Write the whole page."""
    path = "\n".join(f"{phase:<10}{', '.join(hooks)}" for phase, hooks in _PATH)
    table = "\n".join(_row(name, spec) for name, spec in HOOKS.items())
    version = ".".join(map(str, API_VERSION))
    head = _HEAD.format(version=version, path=path, table=table)
    return head + "".join(_section(name, spec) for name, spec in HOOKS.items())


def _row(name: str, spec: HookSpec) -> str:
    answer = _answer(name).replace("|", "\\|")
    budget = f"{spec.budget_seconds:g} s" if spec.waits else "-"
    return f"| [`{name}`](#{name}) | `{answer}` | {spec.rule} | {spec.fail}: {spec.on_error} | {budget} |"


def _section(name: str, spec: HookSpec) -> str:
    signature = inspect.signature(vars(Plugin)[name])
    taken = ", ".join(
        str(parameter).replace("'", "") for parameter in signature.parameters.values()
    )
    notes = [
        f"Of several answers: {_RULES[spec.rule]}.",
        f"On error: fails {spec.fail}, {spec.on_error}.",
    ]
    if name in NOT_CALLED_YET:
        notes.append(
            "**Not called by this version**: a plugin that implements it is refused at start."
        )
    text = _markdown(inspect.getdoc(vars(Plugin)[name]) or "")
    return (
        f"\n## {name}\n\n```python\ndef {name}({taken}) -> {_answer(name)}\n```\n\n{text}\n\n"
        + "  \n".join(notes)
        + "\n"
    )


def _answer(name: str) -> str:
    return str(inspect.signature(vars(Plugin)[name]).return_annotation)


def _markdown(text: str) -> str:
    """Turn epytext into Markdown: L{} and C{} to code, a list's lines as they are."""
    text = re.sub(r"[LC]\{([^{}<>]*)(?:<[^{}]*>)?\}", r"`\1`", text)
    # A code span may hold braces of its own: C{a{b}}.
    text = re.sub(r"C\{((?:[^{}]|\{[^{}]*\})*)\}", r"`\1`", text)
    text = re.sub(r"^(When|Answers):", r"**\1**:", text, flags=re.MULTILINE)
    return re.sub(r"^  ", "", text, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.stdout.write(hooks_page())
