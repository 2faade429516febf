"""Tables and figures of papers as commands: their cells, how each is measured, the published numbers, the claims."""
