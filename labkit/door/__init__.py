"""The door of an open lab: a Unix socket by which `labkit shell`, `labkit ps` and `labkit stop` reach it from outside."""
