package harness

import (
	"maps"
	"net/url"
	"slices"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func escape(s string) string { return url.QueryEscape(s) }
