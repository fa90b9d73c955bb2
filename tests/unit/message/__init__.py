"""Values of HTTP: targets, forwarding fields, Via, dates, media types."""
