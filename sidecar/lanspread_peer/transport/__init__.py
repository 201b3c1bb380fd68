"""How bytes move between peers."""

from lanspread_peer.lean_imports import loaded_when_used

# It would check by these which authority signed a certificate, which we never ask of it.
with loaded_when_used("certifi", "service_identity", "OpenSSL", "OpenSSL.crypto"):
    import aioquic.tls  # noqa: F401
