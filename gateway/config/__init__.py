"""
The configuration: TOML files in, frozen structs with ready-to-use values out.

L{gateway.config.load.load} is the way in; L{gateway.config.sections} names every setting with its default, unit
and help, L{gateway.config.kinds} says how each is written. Nothing here knows Twisted, opens a socket or starts anything.
"""
