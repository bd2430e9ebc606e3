package collector

import "github.com/watchfire/watchfire/server"

// Admit asks whether a tenant may send so much of a signal now; the error is
// a 429 that names the limit. nil lets everything in. A request asks twice:
// with nothing before its body is read, and with what it brings before that is
// stored.
type Admit func(tenant string, s server.Signal, u server.Use) error

// Ask is a(tenant, s, u), and nil when a is.
func (a Admit) Ask(tenant string, s server.Signal, u server.Use) error {
	if a == nil {
		return nil
	}
	return a(tenant, s, u)
}
