"""The control API: gRPC in front of the sidecar. No decision about games or peers is made here."""
