"""Recipes, runs and assessments: wires the rooms together."""
