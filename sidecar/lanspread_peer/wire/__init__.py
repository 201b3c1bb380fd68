"""What goes over the wire between peers: typed messages and their bytes. No I/O."""
