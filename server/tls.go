package server

import "crypto/tls"

// subjectOf is the common name of the verified client certificate, "" without
// one.
func subjectOf(s *tls.ConnectionState) string {
	if s == nil || len(s.VerifiedChains) == 0 || len(s.VerifiedChains[0]) == 0 {
		return ""
	}
	return s.VerifiedChains[0][0].Subject.CommonName
}
