"""SMTP and LMTP as bytes: commands, replies, the end of data. RFC 5321, RFC 2033, RFC 2034.

Room rule: octets in, values out, and back; no socket, no clock, no policy.
"""
