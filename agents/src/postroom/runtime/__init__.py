"""What every agent is built on: settings, log, sockets, TLS, resolver, files, clock, and the life of a service.

Room rule: nothing here knows a mail protocol.
"""
