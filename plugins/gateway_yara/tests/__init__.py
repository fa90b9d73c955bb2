"""Tests of the plugin yara."""
