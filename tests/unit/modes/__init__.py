"""Where a request goes: sites, origins, health, sticky cookies."""
