"""Faults between us and the next hop: status, page and token of each, and which of several is told."""

from __future__ import annotations

import errno
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.errors import TransactionError, UpstreamError
from gateway.net import faults


class FaultTests(SynchronousTestCase):
    def test_answers(self) -> None:
        """Every fault has the status and the page that the client gets."""
        self.assertEqual(
            {
                kind: (kind.status, kind.page)
                for kind in _all_faults()
                if kind is not faults.NetworkFault
            },
            {
                faults.NameNotFound: (502, "name_not_found"),
                faults.NameWithoutAddress: (502, "name_not_found"),
                faults.NameInvalid: (502, "name_not_found"),
                faults.NameTimeout: (504, "name_timeout"),
                faults.NameServerFailure: (502, "name_error"),
                faults.ConnectionRefused: (502, "refused"),
                faults.Unreachable: (502, "unreachable"),
                faults.ConnectTimeout: (504, "connect_timeout"),
                faults.SourcePortsExhausted: (503, "overloaded"),
                faults.DescriptorsExhausted: (503, "overloaded"),
                faults.UpstreamTimeout: (504, "upstream_timeout"),
                faults.UpstreamClosed: (502, "upstream_closed"),
                faults.UpstreamProtocolError: (502, "upstream_protocol"),
                faults.DestinationForbidden: (403, "forbidden_destination"),
            },
        )

    def test_tokens_differ(self) -> None:
        """No two faults look the same in the log, and a token is one word."""
        tokens = [kind.token for kind in _all_faults()]
        self.assertEqual(sorted(set(tokens)), sorted(tokens))
        self.assertTrue(all(token.replace("_", "").isalpha() for token in tokens))

    def test_forbidden_is_not_the_upstreams_fault(self) -> None:
        """A refusal by the guard is no failure of an upstream, and names its rule."""
        fault = faults.DestinationForbidden("loopback", "not allowed")
        self.assertNotIsInstance(fault, UpstreamError)
        self.assertEqual((fault.rule, fault.detail), ("loopback", "not allowed"))

    def test_system_errors(self) -> None:
        """The kernel's errors become the fault that they mean; an unknown one means unreachable."""
        for number, kind in (
            (errno.ECONNREFUSED, faults.ConnectionRefused),
            (errno.ETIMEDOUT, faults.ConnectTimeout),
            (errno.EHOSTUNREACH, faults.Unreachable),
            (errno.ENETUNREACH, faults.Unreachable),
            (errno.EPERM, faults.Unreachable),
            (errno.EINVAL, faults.Unreachable),
            (errno.EADDRNOTAVAIL, faults.SourcePortsExhausted),
            (errno.EMFILE, faults.DescriptorsExhausted),
        ):
            with self.subTest(errno.errorcode[number]):
                fault = faults.connect_fault(OSError(number, "x"), "192.0.2.1", 80)
                self.assertIs(type(fault), kind)
                self.assertIn("192.0.2.1:80: ", fault.detail)
                self.assertFalse(fault.begun)

    def test_ipv6_in_a_detail(self) -> None:
        """An IPv6 address is told from its port by brackets."""
        fault = faults.connect_fault(OSError(errno.ECONNREFUSED, "x"), "2001:db8::1", 443)
        self.assertEqual(fault.detail, "[2001:db8::1]:443: connection refused")

    def test_most_telling(self) -> None:
        """A host that refuses is reported before one that is silent, and that before no route."""
        unreachable, silent, refused = (
            faults.Unreachable(),
            faults.ConnectTimeout(),
            faults.ConnectionRefused(),
        )
        forbidden = faults.DestinationForbidden("loopback")
        self.assertIs(faults.most_telling([forbidden, unreachable]), unreachable)
        self.assertIs(faults.most_telling([silent, unreachable]), silent)
        self.assertIs(faults.most_telling([unreachable, refused, silent]), refused)

    def test_first_of_equals(self) -> None:
        """Of two equal faults the first attempt's is told."""
        first, second = faults.ConnectionRefused("a"), faults.ConnectionRefused("b")
        self.assertIs(faults.most_telling([first, second]), first)


def _all_faults() -> list[Any]:
    return [
        kind
        for kind in vars(faults).values()
        if isinstance(kind, type)
        and issubclass(kind, TransactionError)
        and kind.__module__ == faults.__name__
    ]
