"""What is handed in: the work, the verdicts and the executed notebooks as one file."""
