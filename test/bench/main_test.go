package main

import (
	"io"
	"strings"
	"testing"
)

func TestParseJobs(t *testing.T) {
	for _, c := range []struct{ args, want, err string }{
		{"", "ingest-metrics disk-metrics ingest-logs ingest-traces queries start", ""},
		{"queries", "queries", ""},
		{"ingest-logs -lines 10 start -runs 1", "ingest-logs start", ""},
		{"nonsense", "", `no benchmark "nonsense"`},
		{"start -lines 10", "", "flag provided but not defined: -lines"},
	} {
		jobs, err := parseJobs(strings.Fields(c.args), io.Discard)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %q", c.args, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
		var names []string
		for _, j := range jobs {
			names = append(names, j.name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%q: jobs %s, want %s", c.args, got, c.want)
		}
	}
}

// A benchmark must see its flags, which are parsed after prepare.
func TestFlagsReachTheBenchmark(t *testing.T) {
	t.Setenv("WATCHFIRE_BIN", "/nonexistent/watchfire")
	var out strings.Builder
	err := run(t.Context(), []string{"-dir", t.TempDir(), "ingest-metrics", "-series", "1234"}, &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "cannot start Watchfire") {
		t.Errorf("error %v, want that it cannot start", err)
	}
	if !strings.Contains(out.String(), "1234 series") {
		t.Errorf("the flag was not seen:\n%s", out.String())
	}
}
