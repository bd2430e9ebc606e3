package traces

import (
	"strings"

	"github.com/watchfire/watchfire/traces/traceql"
)

// condition is a TraceQL condition as SQL over a row of the spans table. Such
// SQL is never NULL.
type condition struct {
	sql string
	// exact conditions are true for the same spans as the TraceQL; others for
	// those and perhaps for more.
	exact bool
}

var (
	always  = condition{"1", true}
	never   = condition{"0", true}
	perhaps = condition{"1", false} // what SQL can't decide
)

// compiler turns conditions into SQL for one tenant and time.
type compiler struct {
	tenant string
	in     Range
}

// condition compiles e, or "not e" with negate. Negation is pushed down to the
// leaves, so that what SQL can't decide can be taken as true everywhere: the
// result still covers all spans that match.
func (c compiler) condition(e traceql.Expr, negate bool) condition {
	switch e := e.(type) {
	case *traceql.Static:
		if e.Value.IsTrue() != negate {
			return always
		}
		return never
	case *traceql.Unary:
		if e.Op == "!" && e.X.Type() == traceql.TypeBool {
			return c.condition(e.X, !negate)
		}
	case *traceql.Binary:
		if e.Op == "&&" || e.Op == "||" {
			l, r := c.condition(e.Left, negate), c.condition(e.Right, negate)
			if (e.Op == "&&") != negate {
				return both(l, r)
			}
			return either(l, r)
		}
	}
	leaf := c.leaf(e)
	switch {
	case !negate:
		return leaf
	case !leaf.exact:
		return perhaps
	case leaf == always:
		return never
	case leaf == never:
		return always
	}
	return condition{"NOT " + leaf.sql, true}
}

// both is true when l and r are.
func both(l, r condition) condition {
	exact := l.exact && r.exact
	switch {
	case l == never || r == never:
		return never
	case l.sql == "1":
		return condition{r.sql, exact}
	case r.sql == "1":
		return condition{l.sql, exact}
	}
	return condition{"(" + l.sql + " AND " + r.sql + ")", exact}
}

// either is true when l or r is.
func either(l, r condition) condition {
	exact := l.exact && r.exact
	switch {
	case l == always || r == always:
		return always
	case l.sql == "1" || r.sql == "1":
		return perhaps
	case l == never:
		return r
	case r == never:
		return l
	}
	return condition{"(" + l.sql + " OR " + r.sql + ")", exact}
}

// exactly is a condition that says the same as the TraceQL.
func exactly(parts ...string) condition { return condition{"(" + strings.Join(parts, "") + ")", true} }

// leaf compiles a condition that has no && || ! in it.
func (c compiler) leaf(e traceql.Expr) condition {
	switch e := e.(type) {
	case *traceql.FieldRef: // { .a }
		return c.compare(e.Field, "=", traceql.BoolValue(true))
	case *traceql.Unary: // { !.a }
		if f, ok := e.X.(*traceql.FieldRef); ok && e.Op == "!" {
			return c.compare(f.Field, "=", traceql.BoolValue(false))
		}
	case *traceql.Binary:
		if f, ok := e.Left.(*traceql.FieldRef); ok {
			if v, ok := constant(e.Right); ok {
				return c.compare(f.Field, e.Op, v)
			}
		}
		if f, ok := e.Right.(*traceql.FieldRef); ok {
			if v, ok := constant(e.Left); ok {
				if op, ok := swapped[e.Op]; ok {
					return c.compare(f.Field, op, v)
				}
			}
		}
	}
	return perhaps
}

// swapped is the operator when its sides change places.
var swapped = map[string]string{"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

// constant is the value of a static, or of a negative number.
func constant(e traceql.Expr) (traceql.Value, bool) {
	switch e := e.(type) {
	case *traceql.Static:
		return e.Value, true
	case *traceql.Unary:
		if s, ok := e.X.(*traceql.Static); ok && e.Op == "-" {
			return s.Value.Negative(), true
		}
	}
	return traceql.Value{}, false
}

// compare compiles the comparison of a field with a constant.
func (c compiler) compare(f traceql.Field, op string, v traceql.Value) condition {
	if f.Parent {
		return perhaps
	}
	switch f.Scope {
	case traceql.ScopeSpan:
		return attributeCondition(f.Name, op, v)
	case traceql.ScopeResource:
		return c.resourceCondition(f.Name, op, v)
	case traceql.ScopeAny:
		return c.unscoped(f.Name, op, v)
	case traceql.ScopeIntrinsic:
		return c.intrinsic(f.Name, op, v)
	case traceql.ScopeEvent:
		if v.Type != traceql.TypeNil {
			return condition{"notEmpty(event_names)", false}
		}
	case traceql.ScopeLink:
		if v.Type != traceql.TypeNil {
			return condition{"notEmpty(link_traces)", false}
		}
	}
	return perhaps
}
