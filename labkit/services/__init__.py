"""What runs in a lab: the real programs, configured as one would by hand, each helper showing what it applied."""
