"""Tests of C{gateway_webhook.answers} and C{gateway_webhook.signing}."""

from __future__ import annotations

import hashlib
import hmac

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import DeliveryFailed, Fields, HttpAnswer
from gateway.api.settings import Secret
from gateway_webhook.answers import after, failed, judged
from gateway_webhook.signing import signature
from gateway_webhook.tests.notices import THEN


def judge(status: int, **fields: str) -> DeliveryFailed | None:
    """Judge an answer; give what it fails with."""
    pairs = [(name.replace("_", "-"), value) for name, value in fields.items()]
    try:
        judged("pager", HttpAnswer(status, Fields.of(pairs), b""), lambda: THEN)
    except DeliveryFailed as error:
        return error
    return None


class JudgedTests(SynchronousTestCase):
    """Answers."""

    def test_delivered(self) -> None:
        """2xx is delivered."""
        self.assertEqual([judge(status) for status in (200, 201, 202, 204)], [None] * 4)

    def test_again(self) -> None:
        """What a receiver can't do now, and what somebody has to mend in the configuration, is tried again."""
        for status in (301, 302, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504):
            error = judge(status)
            assert error is not None
            self.assertFalse(error.is_final, status)
            self.assertIn(str(status), str(error))

    def test_never(self) -> None:
        """What is refused for its content, or for good, is not."""
        for status in (400, 410, 413, 422):
            error = judge(status)
            assert error is not None
            self.assertTrue(error.is_final, status)

    def test_retry_after(self) -> None:
        """The receiver says when to come again, in seconds or as a date."""
        error = judge(429, retry_after="120")
        assert error is not None
        self.assertEqual(error.after_seconds, 120.0)
        error = judge(503, retry_after="Tue, 14 Nov 2023 22:14:20 GMT")
        assert error is not None
        self.assertEqual(error.after_seconds, 60.0)

    def test_strange_times(self) -> None:
        """An hour at most, none in the past, and nonsense says nothing."""
        for text, expected in (
            ("99999999999999999999", 3600.0),
            ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
            ("Tue, 14 Nov 9999 22:00:00 GMT", 3600.0),
            ("soon", None),
            ("-5", None),
            ("", None),
            ("1.5", None),
            ("²", None),
            (None, None),
        ):
            self.assertEqual(after(text, lambda: THEN), expected, text)

    def test_no_answer(self) -> None:
        """Without an answer it is tried again, but for one that is too long: it was perhaps taken, and would be again."""
        self.assertFalse(failed("pager", "connect", "connect: refused").is_final)
        self.assertTrue(failed("pager", "too_large", "too_large: 2 MiB").is_final)


class SignatureTests(SynchronousTestCase):
    """Signatures."""

    def test_signature(self) -> None:
        """HMAC-SHA256 over the time, a dot and the content, in hexadecimal digits."""
        expected = hmac.new(b"secret", b"1700000000.{}", hashlib.sha256).hexdigest()
        self.assertEqual(
            signature([Secret("secret")], 1_700_000_000, b"{}"), f"t=1700000000,v1={expected}"
        )

    def test_known(self) -> None:
        """A value that was worked out by openssl: it must never change."""
        self.assertEqual(
            signature([Secret("an example, no key")], 1_700_000_000, b'{"version":1}'),
            "t=1700000000,v1=e6dbd273721248ce8f8f10bf8879a03485bfba7e7bb15089d53d3094fca1dada",
        )

    def test_two_keys(self) -> None:
        """Each key has a signature, in their order."""
        made = signature([Secret("one"), Secret("two")], 5, b"x").split(",")
        self.assertEqual(made[0], "t=5")
        self.assertEqual(
            made[1:],
            [signature([Secret(key)], 5, b"x").split(",")[1] for key in ("one", "two")],
        )
