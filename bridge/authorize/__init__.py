"""Tells registered programs who is signed in, when they open a link and the person agrees.

    nhsidentityagent://connect/authorize?client_id=...&redirect_uri=...&code_challenge=...

The link is OpenID Connect's authentication request, in the form of NHS Digital's Identity Agent Bridge of 2017, with
PKCE added (RFC 7636). The code goes to a registered redirect of the program only. Offline, a code signed here stands
for the broker's.
"""
