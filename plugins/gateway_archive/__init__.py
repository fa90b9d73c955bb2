"""
Unpack what is sent: archives, packed files, content codings, forms and mails, so that each thing in them is scanned.

In the gateway's process: a quick look (C{glance}, C{signatures}, C{search}), the child processes (C{process}, C{pool}, C{messages}), the room that
is used (C{room}), what is asked and answered (C{answers}), and what the core sees of it (C{unpacking}, C{plugin}).

In the child processes (C{child}, C{confine}), which import nothing of the gateway: the walk (C{walker}, C{readings}, C{bounds}, C{found},
C{refusing}, C{blobs}) through ZIP archives (C{zip_layout}, C{zips}), what libarchive reads (C{libarchives}), packed files (C{streams}, C{pull}), codings
(C{codings}, C{mail_codings}, C{lzw}, C{intake}), forms and mails (C{forms}), and text (C{text_codings}).
"""

from gateway_archive.plugin import Archive
from gateway_archive.settings import ArchiveSettings

__all__ = ["Archive", "ArchiveSettings", "plugin"]

plugin = Archive
