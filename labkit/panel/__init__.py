"""The live panel: a background that sends and samples, what it has seen, how that is drawn, and the widgets."""
