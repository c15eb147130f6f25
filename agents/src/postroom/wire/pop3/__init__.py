"""POP3 seen from the server, without I/O. RFC 1939, RFC 2449, RFC 2595, RFC 3206, RFC 5034.

Room rule: octets in, commands out; answers in, octets out.
"""
