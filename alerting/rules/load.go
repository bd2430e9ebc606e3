package rules

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"
)

// Options are what reading a rule file depends on; the zero value is good.
type Options struct {
	Severities SeverityMap             // levels of Prometheus' severity labels, nil = DefaultSeverities
	LogQL      func(expr string) error // judges a LogQL metric query, nil = any text passes
}

// Parse reads a rule file: the graded form when it has the key
// `watchfire: 1`, else Prometheus'. The rules that are right are returned
// beside the problems of the others.
func Parse(file string, src []byte, o Options) ([]*Group, Problems) {
	if o.Severities == nil {
		o.Severities = DefaultSeverities()
	}
	r := &reader{file: file, opts: o}
	root := r.parse(src)
	if root == nil {
		return nil, r.problems.sorted()
	}
	var groups []*Group
	if isGraded(root) {
		groups = r.graded(root)
	} else {
		groups = r.prometheus(root)
	}
	for _, g := range groups {
		setKeys(g)
	}
	return groups, r.problems.sorted()
}

func isGraded(root *yaml.Node) bool {
	for i := 0; i+1 < len(root.Content) && root.Kind == yaml.MappingNode; i += 2 {
		if root.Content[i].Value == "watchfire" {
			return true
		}
	}
	return false
}

// Load reads all files that the patterns name. A pattern without wildcards
// must name a file that is there.
func Load(patterns []string, o Options) ([]*Group, Problems) {
	var groups []*Group
	var problems Problems
	for _, file := range expandGlobs(patterns, &problems) {
		src, err := os.ReadFile(file)
		if err != nil {
			problems = append(problems, Problem{Position: Position{file, 1, 1}, Message: fmt.Sprintf("cannot read rule file: %s", err)})
			continue
		}
		g, p := Parse(file, src, o)
		groups = append(groups, g...)
		problems = append(problems, p...)
	}
	return groups, problems
}

func expandGlobs(patterns []string, problems *Problems) []string {
	seen := map[string]bool{}
	var files []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err == nil && len(found) == 0 && !strings.ContainsAny(pattern, "*?[") {
			found = []string{pattern} // reading it says what is wrong
		}
		if err != nil {
			*problems = append(*problems, Problem{Position: Position{pattern, 1, 1}, Message: fmt.Sprintf("bad pattern %q: %s", pattern, err)})
		}
		for _, f := range found {
			if !seen[f] {
				seen[f] = true
				files = append(files, f)
			}
		}
	}
	sort.Strings(files)
	return files
}

// setKeys names the rules of a group by name and labels; equal ones are
// counted.
func setKeys(g *Group) {
	seen := map[string]int{}
	for _, r := range g.Rules {
		h := fnv.New64a()
		r.Labels.Range(func(l labels.Label) { fmt.Fprintf(h, "%s\xff%s\xff", l.Name, l.Value) })
		key := fmt.Sprintf("%s/%016x", r.Name, h.Sum64())
		seen[key]++
		if n := seen[key]; n > 1 {
			key = fmt.Sprintf("%s/%d", key, n)
		}
		r.Key = key
	}
}
