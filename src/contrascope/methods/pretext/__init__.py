"""Methods that set each image a task about itself; no two views are drawn together."""
