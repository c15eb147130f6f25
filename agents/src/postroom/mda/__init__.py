"""The MDA: takes messages by LMTP and stores them in mailboxes. RFC 2033, RFC 5598 section 4.2.4.

Room rule: intake has already resolved the recipients; this room only turns a detail into a mailbox and a verdict
into Junk.
"""
