"""`python -m lanspread_client.cli` is `lanspread`."""

from lanspread_client.cli import main

main(prog_name="lanspread")
