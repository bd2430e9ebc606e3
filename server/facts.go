package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// requestFacts gathers what decide needs, without the credential.
func requestFacts(r *http.Request, a Access) facts {
	return facts{
		Access:     a,
		Peer:       peerAddr(r.RemoteAddr),
		Host:       r.Host,
		Method:     r.Method,
		Forwarded:  forwardedHeader(r.Header),
		Tenant:     strings.TrimSpace(r.Header.Get(TenantHeader)),
		Upgrade:    r.Header.Get("Upgrade") != "" || r.Method == http.MethodConnect,
		Origin:     r.Header.Get("Origin"),
		FetchSite:  r.Header.Get("Sec-Fetch-Site"),
		FetchMode:  r.Header.Get("Sec-Fetch-Mode"),
		Credential: MethodNone,
	}
}

func peerAddr(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

// forwardedHeader is the first header by which a proxy shows itself. Header
// names are canonical in h.
func forwardedHeader(h map[string][]string) string {
	for name := range h {
		if isForwarded(name) {
			return name
		}
	}
	return ""
}

func isForwarded(name string) bool {
	return strings.EqualFold(name, "Forwarded") || strings.EqualFold(name, "X-Real-Ip") ||
		len(name) > len("X-Forwarded-") && strings.EqualFold(name[:len("X-Forwarded-")], "X-Forwarded-")
}
