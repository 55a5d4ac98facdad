"""What is run, judged and handed in."""
