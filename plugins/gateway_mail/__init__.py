"""
Tell people of alarms by mail.

What a mail says is made of a notice in steps that know nothing of each other: its facts (C{letters}, with all that is not the
gateway's own text made harmless in C{harmless}), text and HTML of them (C{templates}, from files that a site may override),
a picture (C{chart}), the mail as it goes on the wire (C{messages}). It is delivered in a session with a server (C{session}), the
first of those configured that works (C{sending}, C{connecting}).
"""

from gateway_mail.plugin import Mail
from gateway_mail.settings import MailSettings

__all__ = ["Mail", "MailSettings", "plugin"]

plugin = Mail
