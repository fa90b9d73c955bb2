"""Values of HTTP, no I/O: header fields, target URI, forwarding fields, dates, media types."""
