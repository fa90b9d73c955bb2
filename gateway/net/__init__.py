"""Sockets: reactor, transport, listener, upstream pools, tunnel, resolver."""
