package traceql

// inverse of A op B is B op A, with the operator that says the same.
var inverse = map[string]string{">": "<", "<": ">", ">>": "<<", "<<": ">>", "~": "~"}

// flags marks spans by their indexes.
func (t *Trace) flags(spans []int) []bool {
	f := make([]bool, len(t.Spans))
	for _, i := range spans {
		f[i] = true
	}
	return f
}

// related marks the spans r for which some other span l in set has l relation
// r: is the parent (>), a child (<), an ancestor (>>), a descendant (<<) or a
// sibling (~) of it. It takes time in proportion to the trace.
func (t *Trace) related(relation string, set []bool) []bool {
	out := make([]bool, len(t.Spans))
	switch relation {
	case ">":
		for r, p := range t.parent {
			out[r] = p >= 0 && set[p]
		}
	case "<":
		for l, p := range t.parent {
			if set[l] && p >= 0 {
				out[p] = true
			}
		}
	case ">>":
		t.below(set, out)
	case "<<":
		for l := range set {
			if !set[l] {
				continue
			}
			for p := t.parent[l]; p >= 0 && !out[p]; p = t.parent[p] {
				out[p] = true
			}
		}
	case "~":
		under := make([]int, len(t.Spans))
		for l, p := range t.parent {
			if set[l] && p >= 0 {
				under[p]++
			}
		}
		for r, p := range t.parent {
			if p >= 0 {
				others := under[p]
				if set[r] {
					others--
				}
				out[r] = others > 0
			}
		}
	}
	return out
}

// below marks the descendants of set. A walk up ends at a span that is decided
// already, at a top, or, when spans are each other's parents as only broken
// instrumentation makes them, where it began to go round.
func (t *Trace) below(set, out []bool) {
	const (
		unknown = iota
		walking
		decided
	)
	state := make([]uint8, len(t.Spans))
	var path []int
	for r := range t.Spans {
		path = path[:0]
		i := r
		for i >= 0 && state[i] == unknown {
			state[i] = walking
			path = append(path, i)
			i = t.parent[i]
		}
		under := i >= 0 && (set[i] || out[i])
		for j := len(path) - 1; j >= 0; j-- {
			out[path[j]], state[path[j]] = under, decided
			under = under || set[path[j]]
		}
	}
}
