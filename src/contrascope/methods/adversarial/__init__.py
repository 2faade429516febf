"""Methods in which a discriminator judges what encoder and generator make; no two views are drawn together."""
