package main

import (
	"strings"
	"testing"
	"time"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{number(0), "0"},
		{number(999), "999"},
		{number(12_345), "12.3 k"},
		{number(2_000_000), "2.00 M"},
		{size(1536), "1.50 KiB"},
		{size(700 << 20), "700 MiB"},
		{millis(1234 * time.Microsecond), "1.23 ms"},
		{times(3, 2), "1.50x"},
		{times(3, 0), "-"},
		{goal(true, "< 3 s"), "< 3 s: met"},
		{goal(false, "< 3 s"), "< 3 s: MISSED"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	tab := newTable(&out, "", "Watchfire", "goal")
	tab.row("spans", "10", "met")
	tab.flush()
	if want := "       Watchfire  goal\nspans  10         met\n"; out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
