"""Forests: bins, trees grown over rows or over trees, boosting, importance; where kernels meet ranks."""
