"""Where a lab runs: a view (which files) and a Linux (whose network stack)."""
