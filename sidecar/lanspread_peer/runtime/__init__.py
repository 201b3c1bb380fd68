"""Where decisions become I/O: the long-lived tasks of a sidecar and what they share."""
