"""A strict stand-in for Microsoft Entra ID: sign-in, tokens, consent, managed identity (microsoft-apis.md, 4).

Signatures and lifetimes use real time, never the sandbox's moved clock (architecture, rule 8).
"""
