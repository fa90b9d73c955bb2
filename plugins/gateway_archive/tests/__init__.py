"""Tests of the plugin archive."""
