"""The diagnosis in anybody's training loop: the views, the networks, the rows, and what is done with an answer."""
