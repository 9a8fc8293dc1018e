// Package netaddr has the few names of the archived inet.af/netaddr that gomplate's template functions use, made of
// net/netip. See ../containerlab.
package netaddr

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

type IP = netip.Addr

type IPPrefix struct{ prefix netip.Prefix }

type IPRange struct{ first, last IP }

func ParseIP(text string) (IP, error) { return netip.ParseAddr(text) }

func ParseIPPrefix(text string) (IPPrefix, error) {
	prefix, err := netip.ParsePrefix(text)
	return IPPrefix{prefix}, err
}

func ParseIPRange(text string) (IPRange, error) {
	ends := strings.Split(text, "-")
	if len(ends) != 2 {
		return IPRange{}, fmt.Errorf("%q is not FIRST-LAST", text)
	}
	first, err := ParseIP(ends[0])
	if err != nil {
		return IPRange{}, err
	}
	last, err := ParseIP(ends[1])
	return IPRange{first, last}, err
}

func (p IPPrefix) Masked() IPPrefix { return IPPrefix{p.prefix.Masked()} }

func (p IPPrefix) IPNet() *net.IPNet {
	address := p.prefix.Addr()
	return &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(p.prefix.Bits(), address.BitLen())}
}

func (p IPPrefix) String() string { return p.prefix.String() }

func (r IPRange) String() string { return r.first.String() + "-" + r.last.String() }
