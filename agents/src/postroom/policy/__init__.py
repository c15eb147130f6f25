"""Decisions: where mail goes, who vouches for it, what is refused.

Room rule: facts, clock and random bytes come in as arguments. A decision that needs look-ups is a generator
which yields what it wants to know and is sent the answer.
"""
