package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// table prints figures in columns.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer, columns ...string) *table {
	t := &table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	t.row(columns...)
	return t
}

func (t *table) row(cells ...string) { fmt.Fprintln(t.w, strings.Join(cells, "\t")) }

// flush prints what was gathered.
func (t *table) flush() { _ = t.w.Flush() }

// number shortens n to three digits and a unit.
func number(n float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if n >= u.of {
			return digits(n/u.of) + u.name
		}
	}
	return digits(n)
}

// size is n bytes in binary units.
func size(n float64) string {
	for _, u := range []struct {
		of   float64
		name string
	}{{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if n >= u.of {
			return digits(n/u.of) + u.name
		}
	}
	return digits(n) + " B"
}

func digits(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.2f", n)
}

func millis(d time.Duration) string { return digits(float64(d)/1e6) + " ms" }

// times is a ratio, "-" where there is nothing to divide by.
func times(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return digits(a/b) + "x"
}

// goal tells whether a figure is as good as wanted.
func goal(met bool, wanted string) string {
	if met {
		return wanted + ": met"
	}
	return wanted + ": MISSED"
}
