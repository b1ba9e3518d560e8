"""OpenID Connect as the Identity Agent Bridge of 2017 had it: the agent is the authorization endpoint.

A native program opens nhsidentityagent://connect/authorize; the agent's bridge asks here for a code with the person's
ticket; the program's server changes the code into an ID token. Served only where DIR's clients.toml has a
client with a key. It needs jwcrypto (Debian: python3-jwcrypto).
"""
