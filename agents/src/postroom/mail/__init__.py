"""The values of mail: addresses, queue ids, header blocks, MIME parts, flags, reports.

Room rule: frozen values and pure functions on bytes. No I/O, no clock, no randomness, no logging.
"""
