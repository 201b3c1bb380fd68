"""lanspread-peer: the headless sidecar that moves games between the PCs of a LAN party."""

__version__ = "0.1.0"
