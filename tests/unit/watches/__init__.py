"""Tests of L{gateway.watches}."""
