"""The formulas behind `thresholds`: what an objective asks of a cut, the methods, and the honest score of a method."""
