"""What a client connection means and where a request goes: forward, reverse."""
