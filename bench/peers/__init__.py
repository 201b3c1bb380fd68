"""The other programs that move a file, each behind the same `Peer`."""
