"""A front end that is there to be killed: `python spawning_parent.py PROGRAM`.

Spawns a managed sidecar, says to it the line that comes on stdin, hands on the line that it
answers, and then waits for ever.
"""

import subprocess
import sys
import threading


def main() -> None:
    command = [*sys.argv[1:], "serve", "--managed"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as spawned:
        assert spawned.stdin is not None
        assert spawned.stdout is not None
        spawned.stdin.write(sys.stdin.buffer.readline())
        spawned.stdin.flush()
        sys.stdout.buffer.write(spawned.stdout.readline())
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
