"""Tests of gateway.net."""
