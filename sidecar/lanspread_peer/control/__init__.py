"""The control API: gRPC in front of the sidecar. No decision about games or peers is made here."""

from lanspread_peer.lean_imports import loaded_when_used

# The whole of protobuf in Python, where its own in C does the work.
with loaded_when_used("google.protobuf.internal.python_message"):
    import google.protobuf.internal.builder  # noqa: F401
