"""A room of peers on a virtual clock: the product's own decisions, a network that is only times."""
