package traces

import "github.com/watchfire/watchfire/telemetry"

// The kinds of what a span calls.
const (
	PeerService   = "service"
	PeerDatabase  = "database"
	PeerMessaging = "messaging"
	PeerExternal  = "external"
)

// peerOf says what the caller's side of a call, a client or producer span,
// knows about the other side, by OpenTelemetry's semantic conventions of now
// and of before 1.21. Both are empty when it knows nothing.
func peerOf(s *telemetry.Span) (kind, name string) {
	if s.Kind != telemetry.SpanKindClient && s.Kind != telemetry.SpanKindProducer {
		return "", ""
	}
	first := func(keys ...string) string {
		for _, k := range keys {
			if v, ok := telemetry.Lookup(s.Attributes, k); ok && v.String() != "" {
				return v.String()
			}
		}
		return ""
	}
	if system := first("db.system.name", "db.system"); system != "" {
		return PeerDatabase, within(system, first("db.namespace", "db.name"), first("server.address", "net.peer.name", "network.peer.address"))
	}
	if system := first("messaging.system"); system != "" {
		return PeerMessaging, within(system, first("messaging.destination.name", "messaging.destination"), "")
	}
	if service := first("peer.service"); service != "" {
		return PeerService, service
	}
	if host := first("server.address", "net.peer.name", "http.host", "network.peer.address", "net.peer.ip", "net.sock.peer.addr"); host != "" {
		return PeerExternal, host
	}
	return "", ""
}

// within names a part of a system, or its host when there is no part.
func within(system, part, host string) string {
	switch {
	case part != "":
		return system + "/" + part
	case host != "":
		return system + "@" + host
	}
	return system
}
