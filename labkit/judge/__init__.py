"""The checks of each task. They send requests, ask, list, break and count; none goes by a configuration."""
