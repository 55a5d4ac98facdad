"""Pictures of DataFrames that `labkit.measure` made: plots and diagrams. Nothing here measures.

style, words, picture, lanes, cells, diagrams, plots: each imports only what stands before it.
"""

from . import plots as plots
from .diagrams import Member, topology
from .picture import Picture

__all__ = ["Member", "Picture", "plots", "topology"]
