"""DomainKeys Identified Mail: signing and verifying. RFC 6376, 8301, 8463, 8616.

`canonical` turns bytes into what is hashed, `taglist` and `signature` parse fields, `keys` holds both halves of a key,
`signing` and `verification` combine them. No other policy uses cryptography.
"""

from postroom.policy.dkim.canonical import BodyHash, Canonicalization
from postroom.policy.dkim.keys import DkimKeyError, SigningKey, load_key
from postroom.policy.dkim.signing import sign, sign_message
from postroom.policy.dkim.verification import DkimResult, DkimVerdict, Verification, verify

__all__ = [
    "BodyHash",
    "Canonicalization",
    "DkimKeyError",
    "DkimResult",
    "DkimVerdict",
    "SigningKey",
    "Verification",
    "load_key",
    "sign",
    "sign_message",
    "verify",
]
