"""
Harmless content that tells what a scanner really does: what it must find, and what it must not call clean.

All of it is made when it is needed: the well-known test string stands nowhere in the tree as it is looked for.
"""

from __future__ import annotations

import io
import zipfile

#: More levels than any clamd unpacks: C{MaxRecursion} can be 100 at the most.
DEEPER_THAN_ANY = 101


def canary() -> bytes:
    """Give the EICAR test file, which is no malware but what every scanner has to find."""
    first = b"X5O!P%@AP[4" + bytes((0x5C,)) + b"PZX54(P^)7CC)7}$"
    return b"-".join((first + b"EICAR", b"STANDARD", b"ANTIVIRUS", b"TEST", b"FILE!$H+H*"))


def packed(content: bytes) -> bytes:
    """Give a zip with one file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("a", (2000, 1, 1, 0, 0, 0)), content)
    return made.getvalue()


def nested(mark: bytes) -> bytes:
    """
    Give a zip within a zip and so on, deeper than anybody unpacks; about 10 KiB.

    @param mark: makes it another one than those before, for scanners remember what they have seen.
    """
    content = b"nothing of interest " + mark
    for _ in range(DEEPER_THAN_ANY):
        content = packed(content)
    return content


def encrypted(mark: bytes) -> bytes:
    """
    Give a zip whose file says that it is encrypted.

    @param mark: as of L{nested}.
    """
    made = bytearray(packed(b"nothing of interest " + mark))
    made[6] |= 1
    made[made.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


def encrypted_document(mark: bytes) -> bytes:
    """
    Give a PDF without a page that says that it is encrypted.

    @param mark: as of L{nested}.
    """
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [] /Count 0 >>",
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <"
        + b"11" * 32
        + b"> /U <"
        + b"22" * 32
        + b"> >>",
    )
    made = b"%PDF-1.4\n% " + mark + b"\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(b"%010d 00000 n \n" % len(made))
        made += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(made)
    made += b"xref\n0 4\n0000000000 65535 f \n" + b"".join(places)
    made += b"trailer\n<< /Size 4 /Root 1 0 R /Encrypt 3 0 R /ID [<" + b"33" * 16 + b"> <"
    return made + b"33" * 16 + b">] >>\nstartxref\n%d\n%%%%EOF\n" % start
