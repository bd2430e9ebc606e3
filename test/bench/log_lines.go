package main

import (
	"fmt"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"github.com/watchfire/watchfire/test/load"
)

// What is planted among the lines, to be searched for.
const (
	uniqueID  = "c9f1d27ab04e4e6c8a3355d0917be2f4" // in one line
	rareWord  = "flibbertigibbet"                  // in rareLines lines
	rareLines = 20
)

// logLines makes n lines of all services in order of time, evenly over length.
type logLines struct {
	gen     *load.Logs
	n, next int
	begin   time.Time
	apart   time.Duration
	pods    int // of each service
	bytes   int // of the lines so far
}

func newLogLines(n, pods int, begin time.Time, length time.Duration) *logLines {
	return &logLines{gen: load.NewLogs(1), n: n, begin: begin, apart: max(length/time.Duration(n), 1), pods: pods}
}

// line makes the next line, which is of service i modulo their number.
func (g *logLines) line() (service int, at time.Time, text string) {
	i := g.next
	g.next++
	at = g.begin.Add(time.Duration(i) * g.apart)
	service = i % len(load.Services)
	text = g.gen.Next(load.Services[service], at)
	if i == g.n/2 {
		text += " request=" + uniqueID
	}
	if each := max(g.n/rareLines, 1); i%each == each/3 && i/each < rareLines {
		text += " " + rareWord
	}
	g.bytes += len(text)
	return service, at, text
}

// body is a Loki push of the next lines, at most max, from one pod of each
// service; the second result is how many, 0 at the end.
func (g *logLines) body(max int) ([]byte, int, error) {
	pod := g.next / max % g.pods
	req := push.PushRequest{Streams: make([]push.Stream, len(load.Services))}
	for i, s := range load.Services {
		req.Streams[i].Labels = streamLabels(s, pod)
	}
	count := 0
	for ; count < max && g.next < g.n; count++ {
		service, at, text := g.line()
		s := &req.Streams[service]
		s.Entries = append(s.Entries, push.Entry{Timestamp: at, Line: text})
	}
	raw, err := req.Marshal()
	if err != nil {
		return nil, 0, err
	}
	return snappy.Encode(nil, raw), count, nil
}

func streamLabels(service string, pod int) string {
	return fmt.Sprintf(`{cluster="bench", namespace="shop", pod="%s-%d", service_name="%s"}`, service, pod, service)
}
