"""A front end that is to be killed: `front_end_main.py HANDSHAKE COMMAND...`.

It spawns a sidecar, prints its pid, says the handshake, prints what the sidecar answers, and
waits. A true `parent_pid` stands for its own. With HELD_OPEN in the environment another process
holds the sidecar's stdin open.
"""

import json
import os
import signal
import subprocess
import sys

if __name__ == "__main__":
    handshake = json.loads(sys.argv[1])
    if handshake.get("parent_pid"):
        handshake["parent_pid"] = os.getpid()
    sidecar = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sidecar.stdin is not None
    assert sidecar.stdout is not None
    holder = None
    if "HELD_OPEN" in os.environ:
        stdin = sidecar.stdin.fileno()
        holder = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL, pass_fds=[stdin])
    print(json.dumps({"pid": sidecar.pid, "holder": holder and holder.pid}), flush=True)
    sidecar.stdin.write(json.dumps(handshake).encode() + b"\n")
    sidecar.stdin.flush()
    print(sidecar.stdout.readline().decode(), end="", flush=True)
    signal.pause()
