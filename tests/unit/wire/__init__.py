"""Tests of gateway.wire."""
