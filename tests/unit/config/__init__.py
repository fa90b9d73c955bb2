"""Tests of L{gateway.config}."""
