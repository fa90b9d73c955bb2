"""Bytes to events and back, no I/O: HTTP/1, chunked coding, PROXY protocol."""
