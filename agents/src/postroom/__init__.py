"""Postroom: the agents of a company's mail servers, named as RFC 5598 names them."""

__version__ = "0.1.0"
