package engine

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// logForwarder turns the engine's log lines into slog records and remembers
// the last of them for error messages.
type logForwarder struct {
	log *slog.Logger

	mu   sync.Mutex
	last []string
}

const lastLines = 8

func newLogForwarder(log *slog.Logger) *logForwarder {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &logForwarder{log: log}
}

// engineLine is "2026.11.24 15:22:41.123456 [ 42 ] {query} <Error> Component: message".
var engineLine = regexp.MustCompile(`^\d{4}\.\d\d\.\d\d [0-9:.]+ \[ \d+ \] (?:\{[^}]*\} )?<(\w+)> ([^:]+): (.*)$`)

// read forwards r until it ends. Lines without the usual head, such as stack
// traces, are only remembered.
func (f *logForwarder) read(r io.Reader) {
	s := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := s.ReadString('\n')
		if line = strings.TrimSpace(line); line != "" {
			f.remember(line)
			f.forward(line)
		}
		if err != nil {
			return
		}
	}
}

// clientErrors are the components that log the errors of queries.
var clientErrors = map[string]bool{"executeQuery": true, "HTTPHandler": true, "DynamicQueryHandler": true, "TCPHandler": true, "BackupsWorker": true}

// noise is what the engine warns of while all is well.
func noise(component string) bool {
	return component == "MergeMutateSelectedEntry" || strings.HasPrefix(component, "BackgroundSchedulePool")
}

func (f *logForwarder) forward(line string) {
	m := engineLine.FindStringSubmatch(line)
	if m == nil {
		return
	}
	level := slog.LevelWarn
	switch {
	case m[1] == "Fatal":
		level = slog.LevelError
	case clientErrors[m[2]] || noise(m[2]):
		// The client that sent the query gets the same text as its error.
		level = slog.LevelDebug
	}
	f.log.Log(context.Background(), level, "clickhouse", "component", m[2], "level", m[1], "message", m[3])
}

func (f *logForwarder) remember(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.last) == lastLines {
		copy(f.last, f.last[1:])
		f.last = f.last[:lastLines-1]
	}
	f.last = append(f.last, line[:min(len(line), 1000)])
}

// tail is the end of the log.
func (f *logForwarder) tail() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.last, "\n")
}
