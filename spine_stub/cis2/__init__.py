"""CIS2, NHS England's OpenID provider, as a stand-in beside the broker: the same people, the same cards.

An application finds it as it finds the real one, by the discovery document under REALM, and signs people in by the
authorization code flow (OpenID Connect Core 1.0, section 3.1). Authlib is the OAuth 2.0 server and jwcrypto signs and
checks tokens (Debian: python3-authlib, python3-jwcrypto); both are imported at the first request that needs them.
"""

from ..config import REALM as REALM

NOT_SERVED = "CIS2 is not served: it needs Debian's python3-authlib and python3-jwcrypto, or the extra openid of pip"
"""What is said where one of its libraries is missing."""
