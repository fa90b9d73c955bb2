"""Tests of the plugin C{clamd}."""
