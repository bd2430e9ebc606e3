package harness

import (
	"maps"
	"net/url"
	"slices"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Escape quotes s for a query or a form.
func Escape(s string) string { return url.QueryEscape(s) }
