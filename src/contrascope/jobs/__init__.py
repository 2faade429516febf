"""Work on runs and subjects: train, assess, embed, evaluate, export, probes."""
