package rules

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// reader walks a YAML tree and gathers problems, so that one run finds all.
type reader struct {
	file     string
	opts     Options
	lines    []string
	problems Problems
}

var yamlLine = regexp.MustCompile(`(?s)^(?:yaml: )?line (\d+): (.*)$`)

// parse returns the document's root, or nil for an empty or broken file.
func (r *reader) parse(src []byte) *yaml.Node {
	r.lines = strings.Split(string(src), "\n")
	dec := yaml.NewDecoder(strings.NewReader(string(src)))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		r.yamlError(err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		r.failAt(second.Line, second.Column, "put its groups into a file of their own", "a second YAML document")
	} else if !errors.Is(err, io.EOF) {
		r.yamlError(err)
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) || !r.sound(&doc) {
		return nil
	}
	return doc.Content[0]
}

// sound refuses what only shows when aliases are followed: anchors that contain
// themselves, and a small file that stands for a huge one.
func (r *reader) sound(doc *yaml.Node) bool {
	var v any
	err := doc.Decode(&v)
	var wrongTypes *yaml.TypeError // the readers find these, with their places
	if err == nil || errors.As(err, &wrongTypes) {
		return true
	}
	r.yamlError(err)
	return false
}

// yamlError turns the parser's "yaml: line 3: ..." into a place.
func (r *reader) yamlError(err error) {
	line, msg := 1, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = m[2]
	}
	r.failAt(line, r.indent(line), "", "not valid YAML: %s", msg)
}

// indent is the column of a line's first character.
func (r *reader) indent(line int) int {
	if line < 1 || line > len(r.lines) {
		return 1
	}
	l := r.lines[line-1]
	return len(l) - len(strings.TrimLeft(l, " ")) + 1
}

func (r *reader) failAt(line, col int, hint, format string, args ...any) {
	r.problems = append(r.problems, Problem{
		Position: Position{r.file, line, col}, Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

func (r *reader) fail(n *yaml.Node, hint, format string, args ...any) {
	r.failAt(n.Line, n.Column, hint, format, args...)
}

func (r *reader) pos(n *yaml.Node) Position { return Position{r.file, n.Line, n.Column} }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// fields are the keys of a mapping with what reads their values.
type fields map[string]func(key, value *yaml.Node)

// mapping calls the reader of each key and refuses keys that are unknown or
// there twice. Keys merged by << do not override those of the mapping itself.
func (r *reader) mapping(n *yaml.Node, what string, f fields) {
	r.mappingSeen(n, what, f, map[string]bool{})
}

func (r *reader) mappingSeen(n *yaml.Node, what string, f fields, seen map[string]bool) {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		r.fail(n, "write it as keys with values", "%s must be a mapping, not %s", what, describe(n))
		return
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], resolve(n.Content[i+1])
		if k.Tag == "!!merge" {
			merged = append(merged, v)
			continue
		}
		if seen[k.Value] {
			r.fail(k, "", "key %q is there twice in %s", k.Value, what)
			continue
		}
		seen[k.Value] = true
		read, ok := f[k.Value]
		if !ok {
			r.fail(k, r.hintKey(k.Value, f), "unknown key %q in %s", k.Value, what)
			continue
		}
		read(k, v)
	}
	for _, m := range merged {
		r.merge(m, what, f, seen)
	}
}

func (r *reader) merge(m *yaml.Node, what string, f fields, seen map[string]bool) {
	if m.Kind == yaml.SequenceNode {
		for _, c := range m.Content {
			r.merge(resolve(c), what, f, seen)
		}
		return
	}
	own := fields{}
	for k, read := range f {
		if seen[k] {
			read = func(_, _ *yaml.Node) {}
		}
		own[k] = read
	}
	inner := map[string]bool{}
	r.mappingSeen(m, what, own, inner)
	for k := range inner {
		seen[k] = true
	}
}

func (r *reader) hintKey(key string, f fields) string {
	if key == "levels" {
		return "graded rules need `watchfire: 1` at the top of the file"
	}
	keys := make([]string, 0, len(f))
	for k := range f {
		keys = append(keys, k)
	}
	return nearest(key, keys)
}

func describe(n *yaml.Node) string {
	switch {
	case isNull(n):
		return "empty"
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", n.Value)
}

func (r *reader) list(n *yaml.Node, what string, each func(*yaml.Node)) {
	n = resolve(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "begin each element with a dash", "%s must be a list, not %s", what, describe(n))
		return
	}
	for _, c := range n.Content {
		each(resolve(c))
	}
}

func (r *reader) text(k, v *yaml.Node) string {
	if v.Kind != yaml.ScalarNode || isNull(v) {
		r.fail(v, "", "%s must be text, not %s", k.Value, describe(v))
		return ""
	}
	return v.Value
}

func (r *reader) duration(k, v *yaml.Node) time.Duration {
	d, err := model.ParseDuration(v.Value)
	if v.Kind != yaml.ScalarNode || err != nil {
		r.fail(v, "a number with a unit: 30s, 5m, 1h30m, 2d", "%s: %s is not a duration", k.Value, describe(v))
		return 0
	}
	return time.Duration(d)
}

func (r *reader) float(k, v *yaml.Node) (float64, bool) {
	f, err := strconv.ParseFloat(v.Value, 64)
	if v.Kind != yaml.ScalarNode || err != nil || math.IsNaN(f) {
		r.fail(v, "a number, without a unit", "%s: %s is not a number", k.Value, describe(v))
		return 0, false
	}
	return f, true
}

func (r *reader) count(k, v *yaml.Node) int {
	i, err := strconv.Atoi(v.Value)
	if v.Kind != yaml.ScalarNode || err != nil || i < 0 {
		r.fail(v, "a whole number, 0 = no limit", "%s: %s is not a count", k.Value, describe(v))
		return 0
	}
	return i
}

// texts reads a mapping of text to text.
func (r *reader) texts(k, v *yaml.Node, check func(key, value *yaml.Node)) map[string]string {
	m := map[string]string{}
	if isNull(v) {
		return m
	}
	if v.Kind != yaml.MappingNode {
		r.fail(v, "write it as names with values", "%s must be a mapping, not %s", k.Value, describe(v))
		return m
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		key, val := v.Content[i], resolve(v.Content[i+1])
		if _, ok := m[key.Value]; ok {
			r.fail(key, "", "key %q is there twice in %s", key.Value, k.Value)
			continue
		}
		m[key.Value] = r.text(key, val)
		if check != nil {
			check(key, val)
		}
	}
	return m
}

// within is the place of byte offset off of a scalar's value.
func (r *reader) within(n *yaml.Node, off int) (line, col int) {
	before := n.Value[:min(max(off, 0), len(n.Value))]
	l := strings.Count(before, "\n")
	c := len(before) - (strings.LastIndexByte(before, '\n') + 1)
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		line = n.Line + 1 + l
		return line, r.indent(n.Line+1) + c
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && l == 0:
		return n.Line, n.Column + 1 + c
	case n.Style == 0 && n.Line <= len(r.lines) && strings.Contains(r.lines[n.Line-1], n.Value):
		return n.Line, n.Column + c
	}
	return n.Line, n.Column
}
