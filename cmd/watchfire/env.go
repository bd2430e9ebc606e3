package main

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"gopkg.in/yaml.v3"
)

// envPrefix starts the environment variables that set options: the option
// storage.dsn is WATCHFIRE_STORAGE_DSN.
const envPrefix = "WATCHFIRE_"

// applyEnv overrides the fields of config, a pointer to a struct with yaml
// tags, by the environment. Values are YAML, so lists and durations work as
// in the file.
func applyEnv(config any, lookup func(string) (string, bool)) error {
	var errs []error
	walkOptions(reflect.ValueOf(config).Elem(), "", func(path string, field reflect.Value) {
		name := envName(path)
		text, ok := lookup(name)
		if !ok {
			return
		}
		target := field.Addr().Interface()
		var err error
		if field.Kind() == reflect.String {
			field.SetString(text)
		} else {
			err = yaml.Unmarshal([]byte(text), target)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: cannot set option %s: %w", name, text, path, err))
		}
	})
	return errors.Join(errs...)
}

// envName is the variable of an option's path.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// walkOptions visits the leaves of a configuration struct in order of path.
func walkOptions(v reflect.Value, path string, visit func(path string, field reflect.Value)) {
	t := v.Type()
	if t.Kind() != reflect.Struct || decodesItself(t) {
		visit(path, v)
		return
	}
	type option struct {
		path  string
		field reflect.Value
	}
	var options []option
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(opts, "inline"):
			walkOptions(v.Field(i), path, visit)
		case name == "":
			options = append(options, option{join(path, strings.ToLower(f.Name)), v.Field(i)})
		default:
			options = append(options, option{join(path, name), v.Field(i)})
		}
	}
	sort.Slice(options, func(i, j int) bool { return options[i].path < options[j].path })
	for _, o := range options {
		walkOptions(o.field, o.path, visit)
	}
}
