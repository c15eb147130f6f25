"""`postroom sandbox`: whole mail domains as real processes on loopback, without root, in one folder.

The agents are the same as on hosts, and get their listening sockets as systemd passes them. The sandbox's own name
server answers only for the sandbox's domains, so nothing leaves the machine.
"""
