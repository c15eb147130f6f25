"""`postroom sandbox`: whole mail domains as real processes on loopback, without root, in one folder.

The agents are the ones that run on hosts, with their listening sockets handed over as systemd does it. A name
server of its own answers for the sandbox's domains and for nothing else, so nothing leaves the machine.
"""
