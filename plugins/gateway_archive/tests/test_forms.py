"""Forms and mail divided into parts: no server may see one that is not given out."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway_archive.codings import decode
from gateway_archive.faults import Broken, Fault, Limits, TooMuch
from gateway_archive.forms import Kind, Part, is_container, split
from gateway_archive.part_heads import MOST, boundaries, read_head
from gateway_archive.tests.servers import READERS, is_given

LIMITS = Limits()
BOUNDARY = b"b0undary-of-it"
TYPE = "multipart/form-data; boundary=" + BOUNDARY.decode()
FILE = b'Content-Disposition: form-data; name="f"; filename="a.com"'
EVIL = b"the evil one\r\nof two lines"


def parted(
    content: bytes, content_type: str = TYPE, limits: Limits = LIMITS
) -> tuple[list[Part], Fault | None]:
    """Give all parts, and the fault at their end."""
    found: list[Part] = []
    try:
        for part in split(io.BytesIO(content), content_type, limits):
            found.append(part)
    except Fault as fault:
        return found, fault
    return found, None


def contents(content: bytes, content_type: str = TYPE) -> list[bytes]:
    return [b"".join(part.chunks()) for part in parted(content, content_type)[0]]


def form(
    *parts: tuple[bytes, bytes], line_end: bytes = b"\r\n", boundary: bytes = BOUNDARY
) -> bytes:
    out = b""
    for head, content in parts:
        out += b"--" + boundary + line_end + (head + line_end if head else b"") + line_end
        out += content + line_end
    return out + b"--" + boundary + b"--" + line_end


class OrdinaryTests(SynchronousTestCase):
    def test_form(self) -> None:
        """Each part of an ordinary form is given once, in its order, and nothing else is."""
        body = form(
            (b'Content-Disposition: form-data; name="a"', b"x"),
            (FILE + b"\r\nContent-Type: Image/PNG; q=1", EVIL),
            (b'Content-Disposition: form-data; name="empty"; filename=""', b""),
            (b'Content-Disposition: form-data; name="last"', b"\r\n"),
        )
        found, fault = parted(body)
        self.assertIsNone(fault)
        self.assertEqual(
            [
                (part.name, part.filename, part.media_type, b"".join(part.chunks()))
                for part in found
            ],
            [
                ("a", "", "", b"x"),
                ("f", "a.com", "image/png", EVIL),
                ("last", "", "", b"\r\n"),
            ],
        )
        self.assertEqual({part.kind for part in found}, {Kind.PART})

    def test_parts_are_windows(self) -> None:
        """Parts say where they are, and can be read in any order, several at once."""
        big = bytes(range(256)) * 1000
        body = form((FILE, big), (FILE, EVIL))
        first, second = parted(body)[0]
        pieces = zip(first.chunks(), second.chunks(), strict=False)
        self.assertEqual([second for _, second in pieces], [EVIL])
        self.assertEqual(b"".join(first.chunks()), big)
        self.assertEqual(body[first.start : first.start + first.size], big)

    def test_preamble_and_epilogue(self) -> None:
        """What stands before the first part and after the last is given too, unless it is blank."""
        body = b"before\r\n" + form((FILE, EVIL)) + b"after"
        found, fault = parted(body)
        self.assertIsNone(fault)
        self.assertEqual(
            [(part.kind, b"".join(part.chunks())) for part in found],
            [(Kind.PREAMBLE, b"before"), (Kind.PART, EVIL), (Kind.EPILOGUE, b"after")],
        )
        self.assertEqual(contents(b"\r\n" + form((FILE, EVIL)) + b"\r\n \r\n"), [EVIL])
        self.assertEqual(contents(form((FILE, EVIL))[:-2]), [EVIL])
        self.assertIn(b"evil", contents(form((FILE, b"x"))[:-2] + b"evil"))

    def test_at_every_cut(self) -> None:
        """A delimiter is found wherever the content is divided as it is read."""
        for size in range(65500, 65536):
            body = form((FILE, bytes(size - 200)), (FILE, EVIL), (FILE, EVIL[1:]))
            self.assertEqual(contents(body), [bytes(size - 200), EVIL, EVIL[1:]])

    def test_nothing(self) -> None:
        """Content that is empty has no parts and no fault, and neither has a form without fields."""
        self.assertEqual(parted(form()), ([], None))
        self.assertEqual(parted(b""), ([], None))

    def test_what_can_be_split(self) -> None:
        """All kinds of multipart content can be, and whole messages."""
        for name in (
            "multipart/form-data; x",
            "Multipart/Mixed",
            "multipart/related",
            "message/rfc822",
            "x, multipart /mixed",
        ):
            self.assertTrue(is_container(name), name)
        for name in ("", "text/plain", "message/partial", "application/json"):
            self.assertFalse(is_container(name), name)


class LenientTests(SynchronousTestCase):
    def test_line_ends(self) -> None:
        """Lines may end with LF or CR alone."""
        for line_end in (b"\n", b"\r"):
            body = form((FILE, b"first"), (b"A: b", EVIL), line_end=line_end)
            self.assertIsNone(parted(body)[1])
            self.assertIn(EVIL, contents(body))
            self.assertEqual(
                [part.filename for part in parted(body)[0] if part.size == 5], ["a.com"]
            )

    def test_only_some_see_a_delimiter(self) -> None:
        """With a delimiter that only some servers see, the parts with it and without it are given."""
        for odd in (
            b"\n--" + BOUNDARY + b"\n",
            b"\n--" + BOUNDARY + b"\r\n",
            b"\r--" + BOUNDARY + b"\r",
            b"\r\n--" + BOUNDARY + b" \t\r\n",
            b"\r\n--" + BOUNDARY + b"and more\r\n",
            b" --" + BOUNDARY + b"\r\n",
            b" " + BOUNDARY + b"\r\n",
            b"\r\n--" + BOUNDARY + b"--\r\n--" + BOUNDARY + b"\r\n",
        ):
            inner = odd + FILE + b"\r\n\r\n" + EVIL
            body = form((FILE, b"good" + inner))
            found = contents(body)
            self.assertIn(EVIL, found, odd)
            self.assertTrue({b"good", b"good "}.intersection(found), odd)
            if not odd.startswith(b"\r\n--" + BOUNDARY + b"--"):
                self.assertIn(b"good" + inner, found, odd)

    def test_only_some_see_the_end_of_a_head(self) -> None:
        """Where servers differ in what ends a head, each reading is given."""
        for odd in (b"\n\n", b"\r\r", b"\r\n \r\n", b"\n\r\n", b"\r\n"):
            body = form((FILE + odd + b"more: text\r\n\r\n" + EVIL, EVIL))[len(BOUNDARY) :]
            body = (
                b"--"
                + BOUNDARY
                + b"\r\n"
                + FILE
                + odd
                + EVIL
                + b"\r\n\r\nrest\r\n--"
                + BOUNDARY
                + b"--"
            )
            found = contents(body)
            self.assertIn(b"rest", found)
            self.assertIn(EVIL + b"\r\n\r\nrest", found, odd)

    def test_no_empty_line(self) -> None:
        """A part without one is given from its first line that is no field."""
        body = b"--" + BOUNDARY + b"\r\n" + FILE + b"\r\n" + EVIL + b"\r\n--" + BOUNDARY + b"--\r\n"
        found, fault = parted(body)
        self.assertIn(EVIL, [b"".join(part.chunks()) for part in found])
        self.assertIsInstance(fault, Broken)

    def test_delimiter_behind_a_head(self) -> None:
        """A delimiter right behind a head ends an empty part for some; for others it is content."""
        body = b"--" + BOUNDARY + b"\r\n" + FILE + b"\r\n\r\n" + form((FILE, EVIL))
        found = contents(body)
        self.assertIn(EVIL, found)
        self.assertIn(form((FILE, EVIL)).partition(b"\r\n--" + BOUNDARY + b"--")[0], found)

    def test_no_end(self) -> None:
        """What does not end is given, and then it is said."""
        whole = form((FILE, EVIL))
        for size in range(1, len(whole) - 4):
            found, fault = parted(whole[:size])
            self.assertIsInstance(fault, Broken, whole[:size])
            seen = whole[:size].partition(FILE + b"\r\n\r\n")[2]
            if 0 < len(seen) <= len(EVIL):
                self.assertIn(seen, [b"".join(part.chunks()) for part in found])

    def test_no_parts(self) -> None:
        """Content without any delimiter is no form."""
        self.assertIsInstance(parted(b"just text")[1], Broken)
        self.assertIsInstance(
            parted(form((FILE, EVIL))[2:], "multipart/mixed; boundary=other")[1], Broken
        )

    def test_no_boundary(self) -> None:
        """If none is declared, or another one, the first line has it."""
        for content_type in ("multipart/form-data", "multipart/form-data; boundary=other"):
            self.assertEqual(contents(form((FILE, EVIL)), content_type), [EVIL])

    @given(
        st.lists(
            st.sampled_from(
                [
                    b"--" + BOUNDARY,
                    b"--" + BOUNDARY + b"\r\n",
                    b"\r\n--" + BOUNDARY + b"\r\n",
                    b"\r\n--" + BOUNDARY + b"--\r\n",
                    b"\n--" + BOUNDARY + b"\n",
                    b"--" + BOUNDARY + b"--",
                    BOUNDARY,
                    FILE,
                    b"A: b",
                    b"\r\n",
                    b"\r\n\r\n",
                    b"\n",
                    b"\r",
                    b" ",
                    b"-",
                    b"--",
                    b"one",
                    b"two: three",
                    b"\0\xff",
                ]
            ),
            max_size=25,
        ).map(b"".join)
    )
    def test_no_server_sees_more(self, body: bytes) -> None:
        """Whatever a form looks like, each part that some server sees in it is given."""
        parts, fault = parted(body)
        found = [b"".join(part.chunks()) for part in parts]
        for name, reader in READERS.items():
            for content in reader(body, BOUNDARY):
                if not is_given(content, found, BOUNDARY, fault is None):
                    self.fail(f"{name} sees {content!r} in {body!r}, which is not in {found}")


class LimitTests(SynchronousTestCase):
    def test_parts(self) -> None:
        """More parts than may be are not given, by delimiters of any kind."""
        limits = Limits(parts=10)
        body = form(*[(FILE, b"%d" % number) for number in range(11)])
        found, fault = parted(body, limits=limits)
        self.assertEqual(len(found), 10)
        assert isinstance(fault, TooMuch)
        self.assertEqual(fault.which, "files")
        self.assertIsInstance(parted(BOUNDARY * 1000, limits=limits)[1], TooMuch)
        self.assertIsNone(
            parted(form(*[(FILE, b"%d" % number) for number in range(10)]), limits=limits)[1]
        )

    def test_endless_head(self) -> None:
        """A head without end is a fault, and what there is is given."""
        body = (
            b"--"
            + BOUNDARY
            + b"\r\n"
            + b"A: b\r\n" * 20_000
            + b"\r\n"
            + EVIL
            + b"\r\n--"
            + BOUNDARY
            + b"--"
        )
        found, fault = parted(body)
        self.assertIsInstance(fault, Broken)
        self.assertTrue(any(b"".join(part.chunks()).endswith(EVIL) for part in found))

    def test_long_head(self) -> None:
        """A head of 60 KiB is read."""
        body = form((b"A: b\r\n" * 10_000 + FILE, EVIL))
        found, fault = parted(body)
        self.assertEqual(([b"".join(part.chunks()) for part in found], fault), ([EVIL], None))
        self.assertEqual(found[0].filename, "a.com")

    def test_many_boundaries(self) -> None:
        """A type that declares more boundaries than can be tried is a fault."""
        many = ";".join(f"boundary=b{number}" for number in range(40))
        body = form((FILE, EVIL), boundary=b"b3")
        found, fault = parted(body, "multipart/mixed;" + many)
        self.assertIn(EVIL, [b"".join(part.chunks()) for part in found])
        self.assertIsInstance(fault, Broken)

    def test_endless_blanks(self) -> None:
        """A delimiter that goes on with blanks for ever is a fault."""
        body = b"--" + BOUNDARY + b" " * 5000 + form((FILE, EVIL))[2 + len(BOUNDARY) :]
        found, fault = parted(body)
        self.assertIn(EVIL, [b"".join(part.chunks()) for part in found])
        self.assertIsInstance(fault, Broken)

    def test_many_long_heads(self) -> None:
        """A form in which very many heads have to be looked at closely is a fault, before that takes minutes."""
        for line in (
            b"--" + BOUNDARY + b":\n",
            b"--" + BOUNDARY + b"\na:\n",
            b"\n--" + BOUNDARY + b"\n\n",
        ):
            self.assertIsInstance(parted(line * 5000)[1], Fault)

    def test_time(self) -> None:
        """A form of ten thousand parts is divided in an instant, and so is one made to be slow."""
        body = form(*[(FILE, b"%d" % number) for number in range(10_000)])
        self.assertEqual(len(parted(body)[0]), 10_000)
        slow = (b"\r\n--" + BOUNDARY + b"\r\n" + b"\t" * 60) * 3000
        found, fault = parted(slow, limits=Limits(parts=1000))
        self.assertIsNotNone(fault)
        self.assertLessEqual(len(found), 1000)


class BoundaryTests(SynchronousTestCase):
    def check(self, parameters: str, *expected: bytes) -> None:
        found = boundaries("multipart/form-data; " + parameters)
        for one in expected:
            self.assertIn(one, found, parameters)
        self.assertEqual(found[0], expected[0])

    def test_readings(self) -> None:
        """Each way in which a boundary can be read is tried, the likeliest first."""
        self.check("boundary=abc", b"abc")
        self.check('boundary="abc"', b"abc", b'"abc"')
        self.check("Boundary = abc ; charset=utf-8", b"abc")
        self.check('boundary="a\\"b"', b'a"b', b"a\\")
        self.check('boundary="a;b"', b"a;b", b'"a')
        self.check("boundary=a b", b"a", b"a b")
        self.check("boundary=a,b", b"a", b"a,b")
        self.check('boundary="abc', b"abc")
        self.check("boundary=abc(comment)", b"abc(comment)", b"abc")
        self.check("boundary='abc'", b"'abc'", b"abc")
        self.check("boundary=abc; boundary=def", b"abc", b"def")
        self.check("boundary*=utf-8''a%62c", b"utf-8''a%62c", b"abc")
        self.check("boundary*1=b; boundary*0=a", b"b", b"ab", b"ba")
        self.check("boundary*0*=''%61; boundary*1=b", b"''%61", b"ab")
        self.check("boundary=ä", "ä".encode("latin-1"), "ä".encode())

    def test_only_one_for_the_usual(self) -> None:
        """What browsers send has only one reading."""
        for boundary in ("----WebKitFormBoundary0123456789abcdef", "-" * 27 + "123456789"):
            self.assertEqual(
                boundaries(f"multipart/form-data; boundary={boundary}"), (boundary.encode(),)
            )

    def test_bounds(self) -> None:
        """There are not more of them than said, nor longer ones."""
        self.assertLessEqual(
            len(boundaries("".join(f"boundary={n};" for n in range(1000)))), MOST + 1
        )
        self.assertEqual(boundaries("boundary=" + "a" * 3000), ())

    def test_each_is_used(self) -> None:
        """A part is found by whichever boundary some server takes."""
        for boundary in (b"abc", b"def", b"abc def"):
            body = form((FILE, EVIL), boundary=boundary)
            for content_type in (
                'multipart/mixed; boundary=abc def; boundary="def"',
                "multipart/mixed; boundary=\"abc def\"; boundary=def; boundary*=''%61bc",
            ):
                self.assertIn(EVIL, contents(body, content_type))

    def test_dashes(self) -> None:
        """Boundaries of dashes alone, and short ones, are found."""
        for boundary in (b"-", b"-" * 20, b"a", b"----x"):
            body = form((FILE, EVIL), (FILE, b"2"), boundary=boundary)
            self.assertIn(EVIL, contents(body, f"multipart/mixed; boundary={boundary.decode()}"))


class HeadTests(SynchronousTestCase):
    def names(self, parameters: str) -> tuple[str, ...]:
        return read_head(f"Content-Disposition: form-data; {parameters}".encode()).filenames

    def test_file_names(self) -> None:
        """Each file name that can be read is given, fit to be shown."""
        self.assertEqual(self.names('filename="a.txt"'), ("a.txt",))
        self.assertEqual(self.names("FileName = a.txt"), ("a.txt",))
        self.assertEqual(self.names('filename="a.txt"; filename="b.exe"'), ("a.txt", "b.exe"))
        self.assertEqual(self.names("filename=a.txt; filename*=utf-8''b%2eexe"), ("a.txt", "b.exe"))
        self.assertEqual(self.names("filename*0=a.; filename*1=exe")[0], "a.exe")
        self.assertEqual(self.names('filename="C:\\\\x\\\\a.exe"'), ("a.exe",))
        self.assertEqual(
            self.names('filename="../../a\\"b.exe"'),
            ("a?b.exe", '\\"b.exe'.replace("\\", "").replace('"', "?")),
        )
        self.assertEqual(self.names('filename="ä.exe"'), ("ä.exe",))
        self.assertEqual(self.names('filename="a\u202e\0.exe"'), ("a??.exe",))
        self.assertEqual(self.names('filename=""'), ())
        self.assertEqual(self.names('notfilename="a"'), ())
        self.assertEqual(self.names("filename='b.exe'"), ("'b.exe'", "b.exe"))
        long = self.names(f'filename="{"a" * 500}.exe"')[0]
        self.assertEqual((len(long), long[-4:]), (120, ".exe"))
        self.assertEqual(len(self.names(";".join(f"filename=a{n}" for n in range(500)))), MOST)

    def test_fields(self) -> None:
        """Fields may be folded, doubled and of either case; all that they declare is given."""
        head = read_head(
            b"content-TYPE : multipart/mixed;\r\n boundary=x\r\nContent-Type: text/plain; name=a.zip\n"
            b"Content-Transfer-Encoding: (none) BASE64\r\nContent-Transfer-Encoding: quoted-printable\r"
            b"Content-Encoding: gzip, deflate\r\nContent-Disposition: form-data; name=x\r\nnonsense"
        )
        self.assertEqual(
            head.content_types, ("multipart/mixed; boundary=x", "text/plain; name=a.zip")
        )
        self.assertEqual(head.codings, ("base64", "quoted-printable", "gzip", "zlib", "deflate"))
        self.assertEqual((head.name, head.filenames), ("x", ("a.zip",)))

    def test_too_many_fields(self) -> None:
        """Of very many values the first ones and the last ones are given: nobody takes another."""
        head = read_head(b"".join(b"Content-Type: a/%d\n" % number for number in range(1000)))
        self.assertEqual(len(head.content_types), MOST)
        self.assertEqual((head.content_types[0], head.content_types[-1]), ("a/0", "a/999"))

    def test_folded_without_end(self) -> None:
        """A field that is folded thousands of times is cut."""
        head = read_head(b"Content-Type: a\r\n" + b" b\r\n" * 20_000)
        self.assertLessEqual(len(head.content_types[0]), 4096)


class NestedTests(SynchronousTestCase):
    def everything(self, content: bytes, content_type: str, depth: int = 5) -> Iterator[bytes]:
        """Do what a caller does: go on into parts, and undo their codings."""
        if not depth:
            return
        source = io.BytesIO(content)
        try:
            for part in split(source, content_type, LIMITS):
                raw = b"".join(part.chunks())
                decoded = [b"".join(decode([raw], coding, LIMITS)) for coding in part.codings]
                for reading in (raw, *decoded):
                    yield reading
                    for inner in part.content_types:
                        if is_container(inner):
                            yield from self.everything(reading, inner, depth - 1)
        except Broken:
            pass

    def test_mail(self) -> None:
        """The attachments of a mail within a mail are found."""
        attachment = form(
            (b"Content-Type: text/plain", b"Hello"),
            (
                b"Content-Type: application/zip; name=a.zip\nContent-Transfer-Encoding: base64",
                base64.encodebytes(EVIL),
            ),
            line_end=b"\n",
            boundary=b"inner",
        )
        mail = (
            b"\nMIME-Version: 1.0\nContent-Type: multipart/mixed;\n\tboundary=inner\n\n"
            + attachment
        )
        outer = form((b"Content-Type: message/rfc822", mail), boundary=b"outer")
        message = b"Subject: x\r\nContent-Type: multipart/digest; boundary=outer\r\n\r\n" + outer
        found = list(self.everything(message, "message/rfc822"))
        self.assertIn(EVIL, found)
        self.assertIn(b"Hello", found)

    def test_digest(self) -> None:
        """Parts of a digest are messages if they say nothing else."""
        body = form(
            (b"", b"Subject: x\r\n\r\n" + EVIL), (b"Content-Type: text/plain", b"x"), boundary=b"d"
        )
        found, _ = parted(body, "multipart/digest; boundary=d")
        self.assertEqual(found[0].media_type, "message/rfc822")
        self.assertEqual(found[-1].media_type, "text/plain")

    def test_files_in_a_field(self) -> None:
        """Several files may be within one field of a form."""
        inner = form((FILE, EVIL), boundary=b"in")
        body = form(
            (
                b'Content-Disposition: form-data; name="files"\r\nContent-Type: multipart/mixed; boundary=in',
                inner,
            )
        )
        self.assertIn(EVIL, list(self.everything(body, TYPE)))

    def test_message_without_end_of_head(self) -> None:
        """A message may be all head; what is no field in it is given. Without end it is a fault."""
        found, fault = parted(b"Subject: x\r\n" + EVIL, "message/rfc822")
        self.assertIn(EVIL, [b"".join(part.chunks()) for part in found])
        self.assertIsNone(fault)
        self.assertEqual(parted(b"Subject: x\r\n\r\n", "message/rfc822"), ([], None))
        long = b"Subject: x\r\n" * 10_000
        self.assertIsInstance(parted(long + b"\r\n" + EVIL, "message/rfc822")[1], Broken)


class SourceTests(SynchronousTestCase):
    def test_short_reads(self) -> None:
        """A file that gives less than it is asked for is read all the same."""

        class Slow(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(min(7, size or 0) if size != 0 else 0)

        body = form((FILE, EVIL), (FILE, b"x" * 5000))
        found = [b"".join(part.chunks()) for part in split(Slow(body), TYPE, LIMITS)]
        self.assertEqual(found, [EVIL, b"x" * 5000])
