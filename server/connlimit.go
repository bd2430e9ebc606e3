package server

import (
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// connLimit accepts up to max connections at once and closes those above it at
// once, so that their clients learn it and try again instead of hanging.
type connLimit struct {
	net.Listener
	max     int // 0 = unlimited
	open    prometheus.Gauge
	refused prometheus.Counter

	mu sync.Mutex
	n  int
}

func (l *connLimit) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.take() {
			l.refused.Inc()
			_ = c.Close() // the client finds out either way
			continue
		}
		return &limitedConn{Conn: c, limit: l}, nil
	}
}

func (l *connLimit) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max > 0 && l.n >= l.max {
		return false
	}
	l.n++
	l.open.Inc()
	return true
}

func (l *connLimit) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n--
	l.open.Dec()
}

type limitedConn struct {
	net.Conn
	limit *connLimit
	once  sync.Once
}

func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.limit.give)
	return err
}
