"""Answers pages that were written for NHS Credential Management, as far as its contract is public.

A page finds it through the NHS Port Service, on the first free of five ports, and has it sign through a SignalR hub.
Public are the port service, and signing, as the pages that use them show it; how its pages sign in, and which error
codes it has beside two, is not, and so is not here. Plain http on loopback only: no certificate of ours is in
anybody's trust store.
"""
