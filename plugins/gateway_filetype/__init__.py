"""
Rules about kinds of files, by what content really is: nothing a server or a client calls a program has to be one.

What streams by is judged by its first bytes, so nothing is held for it; what is packed in it is judged where content is
held and unpacked anyway, or is to be (C{deep}).
"""

from gateway_filetype.plugin import Filetype
from gateway_filetype.settings import FiletypeSettings, Rule

__all__ = ["Filetype", "FiletypeSettings", "Rule", "plugin"]

plugin = Filetype
