"""Decisions: where mail goes, whether it is authentic, what is refused.

Room rule: facts, time and random bytes are arguments. A decision that needs lookups is a generator that yields its
questions and is sent the answers.
"""
