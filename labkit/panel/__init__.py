"""The live panel: what it has seen, how that is drawn, its widgets, and the thread that sends and looks."""
