"""What runs inside the lab: modules of the standard library, psutil, pyroute2 and dnspython alone, which return plain data."""
