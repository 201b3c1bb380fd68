"""The conformance program of the Python client: `python -m conformance SCENARIO`.

What each scenario must do is in clients/conformance/SCENARIOS.md.
"""
