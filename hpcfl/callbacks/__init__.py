"""What watches a run: progress and reports."""
