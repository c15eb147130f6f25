"""The MDA: LMTP in, mailboxes out. RFC 2033, RFC 5598 section 4.2.4.

Room rule: recipients come final from intake; here only a detail becomes a mailbox and a verdict becomes Junk.
"""
