"""Couriers: clients that carry something to another server, by SMTP, LMTP or an authentication protocol.

Room rule: a courier reports what each recipient's server said; what follows from it is decided elsewhere.
"""
