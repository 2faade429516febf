"""One file for each kind of source: what it recognises, and who opens it; without torch until it is opened."""
