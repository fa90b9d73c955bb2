"""What is kept of a transaction: access log and counters."""
