"""Figures of scores and predictions: numbers only, no text, no charts, no HTML."""
