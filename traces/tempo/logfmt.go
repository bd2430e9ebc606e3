package tempo

import (
	"fmt"
	"strconv"
	"strings"
)

type tag struct{ key, value string }

// parseLogfmt reads key=value pairs apart by spaces; a value with spaces is
// quoted.
func parseLogfmt(s string) (tags []tag, err error) {
	seen := map[string]bool{}
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		i := strings.IndexAny(s, "= \t")
		if i <= 0 || s[i] != '=' {
			return nil, fmt.Errorf("want key=value at %q", s)
		}
		t := tag{key: s[:i]}
		s = s[i+1:]
		if strings.HasPrefix(s, `"`) {
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("value of %s is not closed", t.key)
			}
			if t.value, err = strconv.Unquote(quoted); err != nil {
				return nil, fmt.Errorf("value of %s: %w", t.key, err)
			}
			s = s[len(quoted):]
		} else {
			i := strings.IndexAny(s, " \t")
			if i < 0 {
				i = len(s)
			}
			t.value, s = s[:i], s[i:]
		}
		if seen[t.key] {
			return nil, fmt.Errorf("tag %s has been set twice", t.key)
		}
		seen[t.key] = true
		tags = append(tags, t)
	}
	return tags, nil
}
