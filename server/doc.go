// Package server is where clients meet Watchfire: listeners for HTTP and gRPC
// with their TLS, who a caller is and what the caller may, tenants and their
// limits, decompression of request bodies, and the one place where an error
// becomes a status.
//
// The way of a request: a listener (Server) with its timeouts → Mux, which
// finds the route, knows the caller (Gate), checks the caller's role against the route's
// Access, and puts tenant and identity into the context → the handler, which
// returns an error or writes an answer (Handle, WriteError). gRPC calls go
// through the same Gate in interceptors.
package server
