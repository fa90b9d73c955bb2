"""Tests of what answers mean."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import Clean, Coverage, Infected, ScanJob, Unscannable
from gateway.api.content import REASONS
from gateway_clamd.answers import Trust, error_of, found_name, judged, lacks_file

JOB = ScanJob.of(b"hello")
TRUST = Trust("1.4.6/27800", True)


def result(answer: str, *, nested: bool = True) -> object:
    """Judge an answer."""
    return judged(answer, JOB, TRUST, nested)


class JudgedTests(SynchronousTestCase):
    """Results of answers."""

    def test_clean(self) -> None:
        """Only the two clean answers are clean, with the engine's version and all the bytes."""
        for answer in ("stream: OK", "fd[10]: OK"):
            for nested in (True, False):
                self.assertEqual(
                    result(answer, nested=nested),
                    Clean("clamd", "1.4.6/27800", Coverage(5, nested)),
                )

    def test_never_clean(self) -> None:
        """Whatever is not exactly that is not clean."""
        for answer in (
            "",
            "OK",
            "stream: ok",
            "stream: OK ",
            "stream: OK\n",
            "stream:OK",
            "fd[x]: OK",
            "fd[]: OK",
            "xstream: OK",
            "stream: Excluded",
            "stream: Empty file",
            "stream: NOT OK",
            "stream: OK ERROR",
            "PONG",
            "UNKNOWN COMMAND",
            "COMMAND UNAVAILABLE",
            "stream: no reason at all ERROR",
            "Error processing command. ERROR",
            "Command invalid inside IDSESSION. ERROR",
        ):
            found = result(answer)
            assert isinstance(found, Unscannable), answer
            self.assertEqual((found.reason, found.engine), ("engine_error", "clamd"), answer)
            self.assertNotEqual(found.why, "")

    def test_found(self) -> None:
        """A name is certain unless a heuristic or a policy found it."""
        for answer, name, certain in (
            ("stream: Win.Test.EICAR_HDB-1 FOUND", "Win.Test.EICAR_HDB-1", True),
            ("fd[9]: Bad.Thing.UNOFFICIAL FOUND", "Bad.Thing.UNOFFICIAL", True),
            (f"stream: Eicar({'a' * 32}:68) FOUND", "Eicar", True),
            ("stream: A name (with blanks) FOUND", "A name (with blanks)", True),
            ("stream: FOUND FOUND", "FOUND", True),
            ("stream: OK FOUND", "OK", True),
            ("stream:  FOUND", "unnamed", True),
            ("stream: PUA.Win.Packer.X FOUND", "PUA.Win.Packer.X", False),
            ("stream: Heuristics.Phishing.Email FOUND", "Heuristics.Phishing.Email", False),
            (
                "stream: Heuristics.OLE2.ContainsMacros FOUND",
                "Heuristics.OLE2.ContainsMacros",
                False,
            ),
            ("stream: Heuristics.Broken.Media.GIF.X FOUND", "Heuristics.Broken.Media.GIF.X", False),
        ):
            self.assertEqual(result(answer), Infected(name, "clamd", certain), answer)

    def test_names_are_shown_safely(self) -> None:
        """What is no plain text in a name does not reach a log or a page."""
        self.assertEqual(found_name("stream: a\x1bb\ufffd FOUND"), "a?b?")
        self.assertEqual(len(found_name(f"stream: {'x' * 5000} FOUND")), 200)
        self.assertEqual(error_of("stream: a\nb ERROR"), "stream: a?b")

    def test_not_looked_at(self) -> None:
        """What clamd says it did not look at is no infection, and never clean."""
        for answer, reason in (
            ("stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND", "limit:depth"),
            ("fd[3]: Heuristics.Limits.Exceeded.MaxFiles FOUND", "limit:files"),
            ("stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND", "limit:size"),
            ("stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND", "limit:size"),
            ("stream: Heuristics.Limits.Exceeded.MaxScanTime FOUND", "limit:time"),
            ("stream: Heuristics.Limits.Exceeded.EmailHeaders FOUND", "limit:mail"),
            ("stream: Heuristics.Limits.Exceeded FOUND", "limit:other"),
            ("stream: Heuristics.Limits.Exceeded.MaxFiles.UNOFFICIAL FOUND", "limit:files"),
            ("stream: Heuristics.Encrypted.Zip FOUND", "encrypted"),
            ("stream: Heuristics.Encrypted.PDF FOUND", "encrypted"),
            ("stream: Heuristics.Broken.Executable FOUND", "malformed"),
            ("INSTREAM size limit exceeded. ERROR", "too_large"),
            ("stream: Exceeded time limit ERROR", "engine_timeout"),
            ("stream: Exceeded max scan size ERROR", "limit:size"),
            ("stream: Exceeded max scan files ERROR", "limit:files"),
            ("fd[8]: Exceeded max recursion depth ERROR", "limit:depth"),
            ("stream: Bad format or broken data ERROR", "malformed"),
            ("stream: Can't unpack some data ERROR", "extract_failed"),
            ("stream: Can't allocate memory ERROR", "engine_error"),
        ):
            found = result(answer)
            assert isinstance(found, Unscannable), answer
            self.assertEqual(found.reason, reason, answer)
            self.assertIn(reason.partition(":")[0], REASONS)

    def test_no_file(self) -> None:
        """What a clamd says that can't read a file it was passed is told apart from what is wrong with content."""
        self.assertTrue(lacks_file("No file descriptor received. ERROR"))
        self.assertTrue(lacks_file("fd[12]: Not a regular file ERROR"))
        self.assertFalse(lacks_file("stream: OK"))
        self.assertFalse(lacks_file("stream: Can't allocate memory ERROR"))
