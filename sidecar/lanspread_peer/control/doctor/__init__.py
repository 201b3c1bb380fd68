"""The doctor: looks at what breaks at parties, with and without a running sidecar.

Each check looks at this machine itself and changes nothing; together they take some seconds.
"""
