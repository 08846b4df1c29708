"""Widgets: one a file, each drawing what it is given; none reads the database."""
