"""Alarms: what becomes of an event until a receiver has it."""
