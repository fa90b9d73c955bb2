"""
Have content scanned by ClamAV's clamd, in the reactor's thread and without waiting in it.

What clamd says is plain text (C{wire}, C{answers}); a session (C{session}) gives it one order at a time, on connections of an
engine (C{engine}, C{connecting}), and content goes there as an open file or in pieces (C{contents}). Who is asked, who waits and what
happens when a connection breaks is in C{scans}. What can be believed of a clamd is tried (C{trials}, C{samples}), again and
again (C{watch}).
"""

from gateway_clamd.plugin import Clamd
from gateway_clamd.settings import ClamdSettings

__all__ = ["Clamd", "ClamdSettings", "plugin"]

plugin = Clamd
