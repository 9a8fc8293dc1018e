"""evpnd: a BGP-EVPN speaker for Linux hosts, and a library of BGP/EVPN codecs (RFC 4271, RFC 7432, RFC 8365)."""

__version__ = "0.1.0"
