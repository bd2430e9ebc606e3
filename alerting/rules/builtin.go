package rules

import (
	"embed"
	"fmt"
	"sort"
	"strings"
)

//go:embed builtin/*.yaml
var builtin embed.FS

// Builtin returns the rules that come with Watchfire, by the names of their
// sets (BuiltinSets). They are in the graded form, and are read as any file.
func Builtin(sets []string, o Options) ([]*Group, error) {
	var groups []*Group
	for _, set := range sets {
		src, err := builtin.ReadFile("builtin/" + set + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("unknown set %q of built-in rules: known are %s", set, strings.Join(BuiltinSets(), ", "))
		}
		gs, problems := Parse("builtin/"+set+".yaml", src, o)
		if err := problems.Err(); err != nil {
			return nil, err
		}
		groups = append(groups, gs...)
	}
	return groups, nil
}

// BuiltinSets lists the sets of built-in rules.
func BuiltinSets() (sets []string) {
	entries, err := builtin.ReadDir("builtin")
	if err != nil {
		panic(err) // it is part of the binary
	}
	for _, e := range entries {
		sets = append(sets, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	sort.Strings(sets)
	return sets
}
