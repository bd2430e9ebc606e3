package collector

import (
	"fmt"
	"net"
	"net/netip"
)

// CheckListen refuses an address that others can reach, for protocols that
// have no way to say who the sender is, unless that is asked for. option is the
// place of the address in the configuration.
func CheckListen(option, address string, allowAnonymous bool) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s: %q is no address: use host:port", option, address)
	}
	if host == "localhost" || allowAnonymous {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s: %s can be reached by others, and this protocol cannot tell who sends: listen on a loopback address, or set allow_anonymous: true", option, address)
}
