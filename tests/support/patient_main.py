"""The program `lanspread-peer` that has time: for calls without a request, and for its end."""

from lanspread_peer.__main__ import main
from lanspread_peer.control import parent_watch, places, process

if __name__ == "__main__":
    vars(places)["CONTROL_REQUEST_TIMEOUT_S"] = 1000.0
    vars(process)["_CALLS_GRACE_S"] = 1000.0
    vars(parent_watch)["ORPHAN_GRACE_S"] = 20.0
    main()
