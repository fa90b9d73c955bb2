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
  reactor longer than 5 ms is counted and named in the log. One call of thirty-two is timed, and after a slow one each of
  the next 256 as well; of an `async def` the part before its first wait is timed each time.
- **Errors.** An exception, a time-out and a wrong answer are the same. Failing *closed* refuses what the plugin should have
  judged; failing *open* logs the error and goes on as if there were no opinion. `fail` in `[plugins.x]` wins over
  `@hookimpl(fail=...)`, which wins over this page. Where there is nothing left to refuse, it is always open. Five errors in a
  row raise the event `plugin_unhealthy`, the next good answer `plugin_healthy`; the rule keeps applying in between.
- **Types.** mypy compares each hook with the one of `Plugin`: a `bool`, a wrong argument or an answer that can't wait is an
  error there. With `plugins = ["gateway.api.mypy"]` among its settings it also finds misspelt hooks and missing marks.
- **Settings.** Before it is started a plugin may say what of its settings does not go with the rest of the configuration: by
  `review`, which is no hook ([how](plugins.md#what-does-not-go-together)).
- **Cancelling.** When the client hangs up, what a hook waits for is cancelled: `CancelledError` is raised in it, and is not
  counted as an error. Never swallow it.

## The path of a request

From the top down, the hooks in the order in which they are called; each asks the plugins in the order of `[plugins] enabled`.

```text
{path}
```

- A CONNECT has no content and no response: after `upstream_connected` bytes go both ways until one side ends, and
  `transaction_complete` follows. Where TLS may be decrypted `client_hello` is asked in between. If it is decrypted, the
  CONNECT ends there with the outcome `Intercepted`, and the requests within are transactions of their own, of the same
  `client` and with the identity that the CONNECT had.
- `Block` and `Respond` end the way down at once: nothing below is called but `page` (for `Block`) and
  `transaction_complete`. `Allow` ends one hook only.
- Each transaction ends in `transaction_complete`, exactly once, whatever became of it.

## All hooks

| hook | answer | of several answers | on error | budget |
| --- | --- | --- | --- | --- |
{table}
"""

#: The picture: what the client does or gets, what the gateway asks, what the upstream gets or does. An arrow stands where
#: something goes over the wire; a hook stands where it is called.
_PATH = (
    ("connects -->", "client_connected", ""),
    ("request head -->", "authenticate", ""),
    ("", "request_headers", ""),
    ("", "request_filters", ""),
    ("", "content_need, of the request", ""),
    ("content -->", "scan_patterns, unpack_content, scan_content, of the request, where", ""),
    ("", "somebody needs it whole; scan_content of each member, too", ""),
    ("", "cache_lookup: what is stored takes the place of an upstream", ""),
    ("", "select_upstream", ""),
    ("", "upstream_connected, of a new connection", "<-- connection"),
    ("begins TLS -->", "client_hello, of a CONNECT; then requests within, from the top", ""),
    ("", "", "--> request head"),
    ("", "content, through the request's filters: first plugin first", "--> content"),
    ("", "", ""),
    ("", "response_headers", "<-- response head"),
    ("", "response_filters", ""),
    ("", "content_need, of the response", ""),
    ("", "scan_patterns, unpack_content, scan_content, of the response", "<-- content"),
    ("", "cache_store", ""),
    ("<-- response head", "", ""),
    ("<-- content", "content, through the response's filters: first plugin first", ""),
    ("", "transaction_complete", ""),
    ("", "", ""),
    ("<-- a page", "page, where a hook blocks or something fails, from wherever that is", ""),
    ("", "event, order, admin_pages, counters, not_ready: at any time, of no transaction", ""),
)

#: How wide the columns of client and gateway are.
_CLIENT = 18
_GATEWAY = 64


def _picture() -> str:
    """Draw the path of a request: down the hooks to the upstream, and back."""
    lines = [f"{'CLIENT':<{_CLIENT}}{'GATEWAY':<{_GATEWAY}}UPSTREAM", ""]
    for client, asks, upstream in _PATH:
        lines.append(f"{client:>{_CLIENT - 2}}  {asks:<{_GATEWAY}}{upstream}".rstrip())
    return "\n".join(lines)


def hooks_page() -> str:
    """Write the whole page."""
    table = "\n".join(_row(name, spec) for name, spec in HOOKS.items())
    version = ".".join(map(str, API_VERSION))
    head = _HEAD.format(version=version, path=_picture(), table=table)
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
