"""The BGP-4 protocol: messages, attributes, capabilities, FSM, RIB, decision, update packing (RFC 4271, RFC 4760)."""
