"""Charts and pages from arrays and names."""
