"""Tests of L{gateway.pipeline.deferred}; how they come about and end is in C{tests.scenarios.test_progress}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.pipeline.deferred import Ticket


class TicketTests(SynchronousTestCase):
    """Who may have what comes of a fetch."""

    def test_fits(self) -> None:
        """All of it has to be right: the whole token, the client, scheme, host and port."""
        ticket = Ticket("0123456789abcdef", "192.0.2.1", ("https", "a.example.com", 443))
        self.assertTrue(ticket.fits(Ticket(ticket.token, ticket.address, ticket.server)))
        for token, address, server in (
            ("0123456789abcdee", ticket.address, ticket.server),
            ("0123456789abcde", ticket.address, ticket.server),
            ("01234567", ticket.address, ticket.server),
            ("", ticket.address, ticket.server),
            (ticket.token + "é", ticket.address, ticket.server),
            (ticket.token, "192.0.2.2", ticket.server),
            (ticket.token, ticket.address, ("http", "a.example.com", 443)),
            (ticket.token, ticket.address, ("https", "b.example.com", 443)),
            (ticket.token, ticket.address, ("https", "a.example.com", 8443)),
        ):
            self.assertFalse(ticket.fits(Ticket(token, address, server)))

    def test_name(self) -> None:
        """What it is kept under is too little of the token to guess the rest."""
        ticket = Ticket("0123456789abcdef", "192.0.2.1", ("https", "a.example.com", 443))
        self.assertEqual(ticket.name, "01234567")
