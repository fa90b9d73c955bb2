"""Tests without sockets; the folders mirror those of the gateway."""
