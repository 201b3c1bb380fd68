"""The decisions, pure: no I/O, no clock, no randomness of their own. `now` comes in, in seconds."""
