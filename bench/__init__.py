"""Measures every line of the design's table of speed, on real sidecars and against other programs.

`python -m bench ROW` measures one row, `all` every one. Figures are ratios of medians of runs that
were interleaved, because machines differ and are noisy; everything lies on tmpfs.
"""
