"""Values: what the sidecar talks about, without behaviour over time and without I/O."""
