package main

import (
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
)

// The searches rely on what is planted, and two generators on being equal.
func TestLogLines(t *testing.T) {
	const n = 1000
	begin := time.Unix(1_700_000_000, 0)
	pushed := newLogLines(n, 3, begin, time.Hour)
	again := newLogLines(n, 3, begin, time.Hour)
	var ids, words, total int
	streams := map[string]bool{}
	for {
		body, count, err := pushed.body(64)
		if err != nil {
			t.Fatal(err)
		}
		if count == 0 {
			break
		}
		raw, err := snappy.Decode(nil, body)
		if err != nil {
			t.Fatal(err)
		}
		var req push.PushRequest
		if err := req.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		for _, s := range req.Streams {
			streams[s.Labels] = true
			for _, e := range s.Entries {
				total++
				ids += strings.Count(e.Line, uniqueID)
				words += strings.Count(e.Line, rareWord)
			}
		}
	}
	if total != n || ids != 1 || words != rareLines || len(streams) != 30 {
		t.Errorf("%d lines, %d with the id, %d with the word, %d streams; want %d, 1, %d, 30", total, ids, words, len(streams), n, rareLines)
	}
	for again.next < again.n {
		again.line()
	}
	if again.bytes != pushed.bytes {
		t.Errorf("the same lines again have %d bytes, want %d", again.bytes, pushed.bytes)
	}
}
