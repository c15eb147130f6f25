"""Couriers: clients that carry something to another server, by SMTP, LMTP or an authentication protocol.

Room rule: a courier reports each recipient's result. What follows from it is decided elsewhere.
"""
