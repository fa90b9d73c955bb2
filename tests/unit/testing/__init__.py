"""Tests of gateway.testing."""
