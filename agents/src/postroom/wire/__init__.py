"""Bytes to commands and answers to bytes, one package per protocol.

Room rule: no I/O, no clock; a core is fed octets and yields commands, however the octets were cut.
"""
