"""How sidecars find each other, and which addresses they have."""
