"""The SMTP server that mta and msa share: connections, limits, transactions. Only this room knows aiosmtpd.

Room rule: no policy. A Reception, which mta and msa provide, decides what is accepted.
"""
