"""Thresholds chosen on scores: methods, objectives, and scores of held-out rows."""
