"""The SMTP server that mta and msa share: connections, limits, transactions. aiosmtpd is known only here.

Room rule: no policy. What is accepted is decided by a Reception, which mta and msa bring.
"""
