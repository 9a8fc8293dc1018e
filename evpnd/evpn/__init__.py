"""EVPN: routes, values, MAC-VRFs, mobility (RFC 7432, RFC 8365)."""
