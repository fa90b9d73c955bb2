"""Tests of the rules about fields."""
