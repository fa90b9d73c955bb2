"""Tests of the allow and deny lists."""
