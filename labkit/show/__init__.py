"""What is drawn: pictures of DataFrames that `labkit.measure` made. Nothing here measures anything."""

from . import plots as plots
from .diagrams import Backend, topology
from .picture import Picture

__all__ = ["Backend", "Picture", "plots", "topology"]
