"""Charts as text: axes, curves and marks; the same drawing in a plain terminal and in the app."""
