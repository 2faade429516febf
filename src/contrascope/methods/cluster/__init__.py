"""Methods whose views agree on clusters, which are learnt at the same time."""
