"""Read by this machine's Python as it starts: `ssl` is loaded when it is first used, and not by all who import http.server.

It is a third of what that imports, and on User-Mode Linux takes 0.1 s.
"""

import sys


class LazySsl:
    """Finds the module `ssl`, once, for whoever imports it first."""

    @classmethod
    def find_spec(cls, name, *_where):
        if name != "ssl":
            return None
        import importlib.util

        sys.meta_path.remove(cls)
        if (spec := importlib.util.find_spec(name)) and spec.loader:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


sys.meta_path.insert(0, LazySsl)
