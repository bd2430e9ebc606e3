package traceql

import "regexp"

// regex is a pattern that matches whole strings.
type regex struct{ *regexp.Regexp }

func newRegex(pattern string) (*regex, error) {
	re, err := regexp.Compile("^(?:" + pattern + ")$")
	if err != nil {
		return nil, err
	}
	return &regex{re}, nil
}
