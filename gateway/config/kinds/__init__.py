"""
The kinds of settings: numbers, texts, sets, listeners, secrets, parent proxies; each module has those of one sort of value.

The aliases at the end of a module are what a struct uses, C{limit: Annotated[Size, Help("...")] = 64 * KIB}, that of a plugin
too.
"""
