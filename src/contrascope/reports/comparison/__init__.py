"""The page of several runs: one row a run, accuracies, curves, settings that differ."""
