"""What to train: the schema of a recipe, how one is found, merged and overridden, and one .toml per recipe."""
