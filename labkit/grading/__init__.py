"""The works of a class, judged again."""
