"""IMAP4rev1 seen from the server, without I/O. RFC 3501 and the extensions that `capability` lists.

Room rule: octets in, frozen commands out; values in, octets out. Whatever a client sends, memory stays within the
limits that `framing.Limits` names, and time stays linear in what was sent.
"""
