"""Tests on loopback with real sockets and real servers."""
