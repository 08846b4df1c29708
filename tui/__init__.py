"""The two faces in the terminal: the Typer command line and the Textual app."""
