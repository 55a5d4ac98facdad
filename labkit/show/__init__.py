"""What is drawn: pictures of DataFrames that `labkit.measure` made. Nothing here measures anything."""

from . import plots as plots
from .picture import Picture
from .topology import Backend, topology

__all__ = ["Backend", "Picture", "plots", "topology"]
