package webhook

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// errAddress is wrapped by every refusal of an address.
var errAddress = errors.New("address refused")

// Addresses that do not belong to the public internet. Sources: the IANA registries of
// special-purpose IPv4 and IPv6 addresses; RFC 3056 (6to4), RFC 6052 (NAT64).
var (
	// privateRanges may have a receiver on purpose.
	privateRanges = prefixes(
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // private use
		"127.0.0.0/8", "::1/128", // loopback
		"100.64.0.0/10", // shared, behind carrier-grade NAT
		"198.18.0.0/15", // benchmarks
		"fc00::/7",      // unique local
	)
	// refusedRanges are refused whatever is allowed.
	refusedRanges = prefixes(
		"0.0.0.0/8",                                         // unspecified, this network
		"169.254.0.0/16",                                    // link-local, with the metadata of clouds
		"192.0.0.0/24",                                      // protocol assignments
		"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", // documentation
		"192.88.99.0/24",             // relays of 6to4
		"224.0.0.0/4",                // multicast
		"240.0.0.0/4",                // reserved, broadcast
		"2001::/23",                  // protocol assignments, Teredo
		"2001:db8::/32", "3fff::/20", // documentation
		// Metadata and platform services elsewhere: Alibaba Cloud, Azure, AWS over
		// IPv6.
		"100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128",
	)
	// Other IPv6 addresses are link-local, multicast, unspecified, or unassigned.
	globalUnicast = netip.MustParsePrefix("2000::/3")
	// Addresses of nat64 and sixToFour contain an IPv4 address.
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

func contains(ranges []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// embedded returns the IPv4 address that an address contains, or the address
// itself.
func embedded(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// permit returns an error if requests must not go to an address. Plain http is
// confined to private ones: elsewhere others could read it.
func permit(a netip.Addr, allowPrivate, plain bool) error {
	e := embedded(a)
	private := contains(privateRanges, e)
	switch {
	case !e.IsValid(), contains(refusedRanges, e), e.Is6() && !private && !globalUnicast.Contains(e):
		return fmt.Errorf("%w: %v is in a special range, where there are no receivers", errAddress, a)
	case private && !allowPrivate:
		return fmt.Errorf("%w: %v is private; if this is the receiver, allow private addresses", errAddress, a)
	case !private && plain:
		return fmt.Errorf("%w: %v is public, where others can read plain http; use https", errAddress, a)
	}
	return nil
}
