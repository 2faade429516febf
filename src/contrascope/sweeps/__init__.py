"""Grids of settings over runs: trials, engines that run them, halving, and what the seeds allow to say."""
