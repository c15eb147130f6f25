"""What every agent stands on: settings, log, sockets, TLS, resolver, files, clock, the service's life.

Room rule: nothing here knows a mail protocol.
"""
