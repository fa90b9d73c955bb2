"""
What mypy can't see by itself about plugins, for the file of an author's own settings::

    [tool.mypy]
    strict = true
    plugins = ["gateway.api.mypy"]

mypy compares a hook with the one of L{Plugin<gateway.api.Plugin>}: arguments and answers. But a method whose name is
misspelt overrides nothing, so there is nothing to compare it with; and a hook without its mark is a method like any other. Both
would be refused when the gateway loads the plugin; here they are errors while it is written. Needs mypy and is imported by
nothing but mypy. Since 1.0.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from mypy.nodes import CallExpr, Decorator, Expression, FuncDef, OverloadedFuncDef, RefExpr
from mypy.plugin import ClassDefContext
from mypy.plugin import Plugin as MypyPlugin

_BASE = "gateway.api.hooks.Plugin"
_MARKS = frozenset(("gateway.api.marks.hookimpl", "gateway.api.hookimpl"))


class HookChecker(MypyPlugin):
    """Looks at each subclass of C{gateway.api.Plugin}."""

    def get_base_class_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Ask to see every class that has a base: whether L{_BASE} is among those of the base shows only then."""
        return None if fullname == "builtins.object" else _look


def plugin(version: str) -> type[MypyPlugin]:
    """Give mypy the checker; mypy calls it by this name."""
    return HookChecker


def _look(context: ClassDefContext) -> None:
    """Compare the marks in a class with the hooks there are."""
    base = next((each for each in context.cls.info.mro if each.fullname == _BASE), None)
    if base is None:
        return
    hooks = {
        name
        for name, symbol in base.names.items()
        if isinstance(symbol.node, Decorator) and not name.startswith("_")
    }
    for statement in context.cls.defs.body:
        if isinstance(statement, Decorator):
            name, is_marked = statement.name, any(map(_is_mark, statement.original_decorators))
        elif isinstance(statement, FuncDef | OverloadedFuncDef):
            name, is_marked = statement.name, False
        else:
            continue
        if is_marked and name not in hooks:
            near = get_close_matches(name, sorted(hooks), 1)
            mend = f'; did you mean "{near[0]}"?' if near else ""
            context.api.fail(f'There is no hook "{name}" in gateway.api.Plugin{mend}', statement)
        elif name in hooks and not is_marked:
            context.api.fail(
                f'The hook "{name}" is not marked with @hookimpl(), so the gateway refuses the plugin',
                statement,
            )


def _is_mark(decorator: Expression) -> bool:
    """Tell whether a decorator is C{@hookimpl(...)}, whatever it was imported as."""
    called = decorator.callee if isinstance(decorator, CallExpr) else decorator
    return isinstance(called, RefExpr) and called.fullname in _MARKS
