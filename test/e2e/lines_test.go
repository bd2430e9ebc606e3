package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// lines gathers what a program prints while it runs.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) contains(want string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !strings.Contains(l.buf.String(), want) {
		return fmt.Errorf("no %q in %q", want, l.buf.String())
	}
	return nil
}
