"""What is observed in a lab, as DataFrames."""
