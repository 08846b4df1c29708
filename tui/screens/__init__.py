"""Screens: what is shown together, and the keys that act on it."""
