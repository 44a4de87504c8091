"""What runs and data look like to a reader: tables as text, pictures with Matplotlib (extra ``plot``)."""
