"""
The upstream of a transaction that goes nowhere: it is answered here, or another transaction has gone on with its upstream.
"""

from __future__ import annotations

from gateway.api.messages import Response
from gateway.api.transaction import Transaction


class Nowhere:
    """As much of an upstream as is asked for when nothing is sent."""

    route = "none"
    tunnels = False

    def amended(self, response: Response) -> bytes:
        """Nothing to add."""
        return b""

    def over(self, txn: Transaction) -> None:
        """Nothing to give back."""


#: The one instance; it has no state.
NOWHERE = Nowhere()
