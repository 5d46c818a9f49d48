"""The formulas beside `metrics`: figures from counts, rankings under weights, bootstrap intervals, a baseline."""
