package traceql

// Query is a parsed query: stages through which spansets go, and perhaps a
// metric at the end.
type Query struct {
	Stages []Stage
	Metric *Metric // nil = a search for traces
	Hints  []Hint
}

// Hint is one of with(...).
type Hint struct {
	Name  string
	Value Value
}

// Stage is one step of a pipeline: *Filter, *SpansetOp, *Pipeline,
// *ScalarFilter, *GroupBy, *Coalesce or *Select. Of these, the first three are
// spanset expressions.
type Stage interface {
	String() string
	stage()
}

// Filter keeps the spans for which Expr is true: { Expr }.
type Filter struct{ Expr Expr }

// SpansetOp combines two spansets: && || and the structural operators.
type SpansetOp struct {
	Op          string
	Left, Right Stage
}

// Pipeline is a whole pipeline in parentheses, as an operand.
type Pipeline struct{ Stages []Stage }

// ScalarFilter keeps the spansets whose aggregates compare as they should.
type ScalarFilter struct {
	Op          string
	Left, Right Scalar
}

// GroupBy splits spansets by the value of an expression.
type GroupBy struct{ Expr Expr }

// Coalesce joins the spansets of a trace.
type Coalesce struct{}

// Select names fields to return with each span.
type Select struct{ Fields []Field }

func (*Filter) stage()       {}
func (*SpansetOp) stage()    {}
func (*Pipeline) stage()     {}
func (*ScalarFilter) stage() {}
func (*GroupBy) stage()      {}
func (*Coalesce) stage()     {}
func (*Select) stage()       {}

// Metric turns the spans that arrive at it into time series.
type Metric struct {
	Func      string // rate, count_over_time, quantile_over_time, ...
	Field     *Field // nil for rate and count_over_time
	Quantiles []float64
	By        []Field
}

// Scalar is a number made of a spanset: *Aggregate, *ScalarOp or *Static.
type Scalar interface {
	String() string
	scalar()
}

// Aggregate is count(), or min, max, avg or sum of an expression.
type Aggregate struct {
	Func string
	Expr Expr // nil for count
}

// ScalarOp is arithmetic on scalars.
type ScalarOp struct {
	Op          string
	Left, Right Scalar
}

func (*Aggregate) scalar() {}
func (*ScalarOp) scalar()  {}
func (*Static) scalar()    {}

// Expr is an expression over one span: *Binary, *Unary, *Static or *FieldRef.
type Expr interface {
	String() string
	// Type is TypeUnknown when only the span decides.
	Type() Type
}

// Binary is an operator between two expressions.
type Binary struct {
	Op          string
	Left, Right Expr
	re          *regex // of =~ and !~
	typ         Type
}

// Unary is "-" or "!".
type Unary struct {
	Op  string
	X   Expr
	typ Type
}

// Static is a constant.
type Static struct{ Value Value }

// FieldRef is the value of a field of the span.
type FieldRef struct{ Field Field }

// newBinary makes an operator without checking its operands.
func newBinary(op string, left, right Expr) *Binary {
	b := &Binary{Op: op, Left: left, Right: right, typ: TypeBool}
	if arithmetic[op] {
		b.typ = arithmeticType(left.Type(), right.Type())
	}
	return b
}

func arithmeticType(l, r Type) Type {
	for _, t := range []Type{TypeUnknown, TypeDuration, TypeFloat} {
		if l == t || r == t {
			return t
		}
	}
	return TypeInt
}

func newUnary(op string, x Expr) *Unary {
	if op == "!" {
		return &Unary{op, x, TypeBool}
	}
	return &Unary{op, x, x.Type()}
}

// Type implements Expr.
func (b *Binary) Type() Type { return b.typ }

// Type implements Expr.
func (u *Unary) Type() Type { return u.typ }

// Type implements Expr.
func (s *Static) Type() Type { return s.Value.Type }

// Type implements Expr.
func (f *FieldRef) Type() Type { return f.Field.Type() }

var arithmetic = map[string]bool{"+": true, "-": true, "*": true, "/": true, "%": true, "^": true}

// walkExpr visits e and what is in it.
func walkExpr(e Expr, visit func(Expr)) {
	visit(e)
	switch e := e.(type) {
	case *Binary:
		walkExpr(e.Left, visit)
		walkExpr(e.Right, visit)
	case *Unary:
		walkExpr(e.X, visit)
	}
}

// Fields are the fields that the query names, each once, in order.
func (q *Query) Fields() []Field {
	var (
		out  []Field
		seen = map[Field]bool{}
	)
	add := func(f Field) {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	visit := func(e Expr) {
		if f, ok := e.(*FieldRef); ok {
			add(f.Field)
		}
	}
	var stages func([]Stage)
	stages = func(ss []Stage) {
		for _, s := range ss {
			switch s := s.(type) {
			case *Filter:
				walkExpr(s.Expr, visit)
			case *SpansetOp:
				stages([]Stage{s.Left, s.Right})
			case *Pipeline:
				stages(s.Stages)
			case *GroupBy:
				walkExpr(s.Expr, visit)
			case *Select:
				for _, f := range s.Fields {
					add(f)
				}
			}
		}
	}
	stages(q.Stages)
	return out
}
