"""Tests of the plugin cache."""
