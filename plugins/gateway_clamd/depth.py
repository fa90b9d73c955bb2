"""
Whether a clamd that finds nothing has looked into everything that is packed in some content.

It opens many kinds, and is silent about those that it doesn't. Nothing is believed of these, nor of what is coded in a way that it
can't decode: that is for whoever unpacks. Pure, but for a look at the first bytes of a file.
"""

from __future__ import annotations

from typing import Final

from gateway.api import TYPE_GROUPS, ScanJob, true_type
from gateway_clamd.answers import Trust
from gateway_clamd.contents import head

_HEAD_BYTES = 8192

_OPENED = """
zip jar apk ipa appx xpi docx docm xlsx xlsm pptx pptm vsdx ooxml odt ods odp odg epub
gzip bzip2 xz 7z rar cab arj lzh alz tar cpio xar iso udf dmg
doc xls ppt msg vsd mpp pub ole msi onenote pdf rtf chm eml mht mbox tnef uu binhex
"""

#: Kinds that libclamav opens, by the names of L{gateway.api.true_type}.
OPENED: Final = frozenset(_OPENED.split())

_DECODED = frozenset(("", "identity", "gzip", "x-gzip"))


def looks_into(job: ScanJob, trust: Trust) -> bool:
    """
    Tell whether it looks into all that may be packed in content.

    @raise OSError: the content can't be read.
    """
    coding = job.notes.get("content_encoding", "").strip().lower()
    if coding not in _DECODED or job.media_type.startswith("multipart/"):
        return False
    kind = true_type(head(job, _HEAD_BYTES), media_type=job.media_type, name=job.member)
    if kind not in TYPE_GROUPS["container"]:
        return True
    return trust.whole and kind in OPENED
