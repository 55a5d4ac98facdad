"""Reports of the notebooks, and the learner's edition."""
