package main

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// strictYAML reads a YAML file into a struct with every mistake told at once,
// each as file:line:col.
type strictYAML struct {
	file string
	root yaml.Node
	errs []error
}

// readStrict decodes the file into out, a pointer to a struct whose fields
// carry yaml tags. Keys that out does not know are errors.
func readStrict(file string, out any) (*strictYAML, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return parseStrict(file, data, out)
}

func parseStrict(file string, data []byte, out any) (*strictYAML, error) {
	s := &strictYAML{file: file}
	if err := yaml.Unmarshal(data, &s.root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(s.root.Content) == 0 {
		return s, nil // an empty file: all defaults
	}
	s.checkKeys(s.root.Content[0], reflect.TypeOf(out).Elem(), "")
	if err := s.root.Decode(out); err != nil {
		var te *yaml.TypeError
		switch {
		case errors.As(err, &te):
			for _, e := range te.Errors {
				s.errs = append(s.errs, fmt.Errorf("%s:%s", file, strings.TrimPrefix(e, "line ")))
			}
		case len(s.errs) == 0:
			s.errs = append(s.errs, fmt.Errorf("%s: %w", file, err))
		}
	}
	return s, errors.Join(s.errs...)
}

var (
	yamlUnmarshaler = reflect.TypeFor[yaml.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// decodesItself reports whether keys below t are the type's own business.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t == reflect.TypeFor[yaml.Node]() || p.Implements(yamlUnmarshaler) || p.Implements(textUnmarshaler)
}

func (s *strictYAML) checkKeys(n *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if decodesItself(t) {
		s.checkValue(n, t, path)
		return
	}
	switch {
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		fields := yamlFields(t)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			ft, ok := fields[k.Value]
			if !ok {
				s.errs = append(s.errs, fmt.Errorf("%s:%d:%d: unknown key %q%s%s", s.file, k.Line, k.Column, k.Value, in(path), hint(k.Value, fields)))
				continue
			}
			s.checkKeys(v, ft, join(path, k.Value))
		}
	case n.Kind == yaml.MappingNode && t.Kind() == reflect.Map:
		for i := 1; i < len(n.Content); i += 2 {
			s.checkKeys(n.Content[i], t.Elem(), join(path, n.Content[i-1].Value))
		}
	case n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for i, v := range n.Content {
			s.checkKeys(v, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// checkValue tries a value whose type decodes itself: such a type's error has no
// place and would hide all others.
func (s *strictYAML) checkValue(n *yaml.Node, t reflect.Type, path string) {
	var te *yaml.TypeError
	if err := n.Decode(reflect.New(t).Interface()); err != nil && !errors.As(err, &te) {
		s.errs = append(s.errs, fmt.Errorf("%s:%d:%d: %s: %w", s.file, n.Line, n.Column, path, err))
	}
}

// yamlFields maps the keys of a struct to their types, inlined structs
// included.
func yamlFields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-":
		case strings.Contains(opts, "inline"):
			for k, v := range yamlFields(f.Type) {
				out[k] = v
			}
		case name == "":
			out[strings.ToLower(f.Name)] = f.Type
		default:
			out[name] = f.Type
		}
	}
	return out
}

func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// hint names the known key nearest to the unknown one, or all of them.
func hint(key string, fields map[string]reflect.Type) string {
	names := make([]string, 0, len(fields))
	for f := range fields {
		names = append(names, f)
	}
	sort.Strings(names)
	best, bestDistance := "", 1+len(key)/3
	for _, n := range names {
		if d := editDistance(key, n); d <= bestDistance {
			best, bestDistance = n, d
		}
	}
	if best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	return " (known: " + strings.Join(names, ", ") + ")"
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diag+cost)
		}
	}
	return row[len(b)]
}

// locate puts file:line:col before an error of a room's Validate, whose text
// begins with the path of the key it is about.
func (s *strictYAML) locate(err error) error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, s.locate(e))
		}
		return errors.Join(out...)
	}
	if s == nil || len(s.root.Content) == 0 {
		return err
	}
	end := strings.IndexAny(err.Error(), ": ")
	if end < 0 {
		return err
	}
	if n := find(s.root.Content[0], strings.Split(err.Error()[:end], ".")); n != nil {
		return fmt.Errorf("%s:%d:%d: %w", s.file, n.Line, n.Column, err)
	}
	return err
}

// find follows path as far as the file has it; nil when not even its first
// key is there.
func find(n *yaml.Node, path []string) *yaml.Node {
	var last *yaml.Node
	for _, key := range path {
		next := (*yaml.Node)(nil)
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				last, next = n.Content[i], n.Content[i+1]
			}
		}
		if next == nil {
			return last
		}
		n = next
	}
	return last
}
