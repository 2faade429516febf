"""The first screen: a few numbers beside their references, a row of pictures, what to do next."""
