"""What runs inside the lab: modules that import only the standard library, pyroute2 and dnspython, and return plain data."""
