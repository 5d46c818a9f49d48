"""Train, validation and test: what belongs together, and where it goes."""
