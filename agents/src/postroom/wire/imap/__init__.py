"""IMAP4rev1 seen from the server, without I/O. RFC 3501 and the extensions that `capability` lists.

Room rule: octets in, frozen commands out; values in, octets out. Whatever a client sends, memory stays within
`framing.FramingLimits`, and time stays linear in the octets. A family of commands is one module (`commands.Family`).
"""
