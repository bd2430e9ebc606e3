package traceql

import (
	"fmt"
	"slices"
)

// Spanset is spans of one trace that a query selects.
type Spanset struct {
	Spans      []int // indexes into Trace.Spans, ascending
	Attributes []Attribute
}

// Attribute is a value that belongs to a whole spanset: what it was grouped
// by, the aggregates it was filtered by.
type Attribute struct {
	Name  string
	Value Value
}

// Eval runs the query's stages on a trace, of whose spans only those that in
// accepts are looked at (nil = all). A trace that does not match has no
// spansets.
func (q *Query) Eval(t *Trace, in func(i int) bool) []Spanset {
	all := Spanset{}
	for i := range t.Spans {
		if in == nil || in(i) {
			all.Spans = append(all.Spans, i)
		}
	}
	if len(all.Spans) == 0 {
		return nil
	}
	return t.run(q.Stages, []Spanset{all})
}

// Holds reports whether the filter holds for the i-th span.
func (f *Filter) Holds(t *Trace, i int) bool { return t.holds(i, f.Expr) }

func (t *Trace) run(stages []Stage, sets []Spanset) []Spanset {
	for _, s := range stages {
		sets = t.stage(s, sets)
		if len(sets) == 0 {
			return nil
		}
	}
	return sets
}

func (t *Trace) stage(s Stage, sets []Spanset) (out []Spanset) {
	switch s := s.(type) {
	case *Select:
		return sets
	case *Coalesce:
		return []Spanset{union(sets)}
	case *Pipeline:
		return t.run(s.Stages, sets)
	case *Filter:
		for _, set := range sets {
			if kept := t.filter(set.Spans, s.Expr); len(kept) > 0 {
				out = append(out, Spanset{kept, set.Attributes})
			}
		}
	case *SpansetOp:
		for _, set := range sets {
			if spans := t.spansetOp(s, set); len(spans) > 0 {
				out = append(out, Spanset{spans, set.Attributes})
			}
		}
	case *ScalarFilter:
		for _, set := range sets {
			l, r := t.scalar(s.Left, set.Spans), t.scalar(s.Right, set.Spans)
			if l.Type != TypeNil && r.Type != TypeNil && compareValues(s.Op, l, r, nil) {
				set.Attributes = append(slices.Clone(set.Attributes), t.aggregates(set.Spans, s.Left, s.Right)...)
				out = append(out, set)
			}
		}
	case *GroupBy:
		for _, set := range sets {
			out = append(out, t.group(set, s.Expr)...)
		}
	}
	return out
}

func (t *Trace) filter(spans []int, e Expr) (kept []int) {
	for _, i := range spans {
		if t.holds(i, e) {
			kept = append(kept, i)
		}
	}
	return kept
}

// union is all spans of the sets, each once.
func union(sets []Spanset) (all Spanset) {
	for _, s := range sets {
		all.Spans = append(all.Spans, s.Spans...)
	}
	slices.Sort(all.Spans)
	all.Spans = slices.Compact(all.Spans)
	return all
}

func (t *Trace) spansetOp(op *SpansetOp, set Spanset) []int {
	left := union(t.stage(op.Left, []Spanset{set})).Spans
	right := union(t.stage(op.Right, []Spanset{set})).Spans
	switch op.Op {
	case "&&":
		if len(left) == 0 || len(right) == 0 {
			return nil
		}
		return union([]Spanset{{Spans: left}, {Spans: right}}).Spans
	case "||":
		return union([]Spanset{{Spans: left}, {Spans: right}}).Spans
	}
	relation, negated, both := structural(op.Op)
	related := t.related(relation, t.flags(left))
	var kept []int
	for _, r := range right {
		if related[r] != negated {
			kept = append(kept, r)
		}
	}
	if both {
		related = t.related(inverse[relation], t.flags(right))
		for _, l := range left {
			if related[l] {
				kept = append(kept, l)
			}
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// structural splits an operator: ! keeps the spans that are not related, & the
// left ones as well.
func structural(op string) (relation string, negated, both bool) {
	switch op[0] {
	case '!':
		return op[1:], true, false
	case '&':
		return op[1:], false, true
	}
	return op, false, false
}

func (t *Trace) group(set Spanset, e Expr) (out []Spanset) {
	groups := map[string]int{}
	for _, i := range set.Spans {
		var v Value
		if vs := t.eval(i, e); len(vs) > 0 {
			v = vs[0]
		}
		key := fmt.Sprint(v.Type, v.Text())
		g, ok := groups[key]
		if !ok {
			g = len(out)
			groups[key] = g
			attrs := append(slices.Clone(set.Attributes), Attribute{"by(" + e.String() + ")", v})
			out = append(out, Spanset{Attributes: attrs})
		}
		out[g].Spans = append(out[g].Spans, i)
	}
	return out
}

// scalar is nil when no span has a number.
func (t *Trace) scalar(s Scalar, spans []int) Value {
	switch s := s.(type) {
	case *Static:
		return s.Value
	case *ScalarOp:
		return calculate(s.Op, t.scalar(s.Left, spans), t.scalar(s.Right, spans))
	case *Aggregate:
		return t.aggregate(s, spans)
	}
	return Value{}
}

func (t *Trace) aggregate(a *Aggregate, spans []int) Value {
	if a.Func == "count" {
		return IntValue(int64(len(spans)))
	}
	var (
		n    int
		acc  float64
		typ  Type
		best Value
	)
	for _, i := range spans {
		for _, v := range t.eval(i, a.Expr) {
			if !v.Type.numeric() {
				continue
			}
			if n == 0 || a.Func == "min" && compareValues("<", v, best, nil) || a.Func == "max" && compareValues(">", v, best, nil) {
				best = v
			}
			n++
			acc += v.Float()
			typ = v.Type
		}
	}
	if n == 0 || a.Func == "min" || a.Func == "max" {
		return best
	}
	if a.Func == "avg" {
		acc /= float64(n)
	}
	if typ == TypeDuration {
		return DurationValue(int64(acc))
	}
	return FloatValue(acc)
}

// aggregates are the values of the aggregates in scalars, to show them.
func (t *Trace) aggregates(spans []int, scalars ...Scalar) (out []Attribute) {
	for _, s := range scalars {
		switch s := s.(type) {
		case *Aggregate:
			out = append(out, Attribute{s.String(), t.aggregate(s, spans)})
		case *ScalarOp:
			out = append(out, t.aggregates(spans, s.Left, s.Right)...)
		}
	}
	return out
}
