// Package self is how Watchfire watches itself: its own log lines and spans go
// the way that everybody's go, but without a socket, within bounds, and without
// ever causing more of themselves. Its own metrics are gathered by package
// gather.
package self
