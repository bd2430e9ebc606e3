package traceql

import "math"

// holds reports whether e is true for the span.
func (t *Trace) holds(i int, e Expr) bool {
	switch e := e.(type) {
	case *Static:
		return e.Value.IsTrue()
	case *Binary:
		switch e.Op {
		case "&&":
			return t.holds(i, e.Left) && t.holds(i, e.Right)
		case "||":
			return t.holds(i, e.Left) || t.holds(i, e.Right)
		}
	case *Unary:
		if e.Op == "!" && e.X.Type() == TypeBool {
			return !t.holds(i, e.X)
		}
	}
	for _, v := range t.eval(i, e) {
		if v.IsTrue() {
			return true
		}
	}
	return false
}

// eval returns the values of e for the span: none for nil.
func (t *Trace) eval(i int, e Expr) []Value {
	switch e := e.(type) {
	case *Static:
		if e.Value.Type == TypeNil {
			return nil
		}
		return []Value{e.Value}
	case *FieldRef:
		return t.Values(i, e.Field)
	case *Unary:
		return t.unary(i, e)
	case *Binary:
		return t.binary(i, e)
	}
	return nil
}

func (t *Trace) unary(i int, u *Unary) (out []Value) {
	if u.Op == "!" && u.X.Type() == TypeBool {
		return []Value{BoolValue(!t.holds(i, u.X))}
	}
	for _, v := range t.eval(i, u.X) {
		switch {
		case u.Op == "!" && v.Type == TypeBool:
			out = append(out, BoolValue(v.i == 0))
		case u.Op == "-" && v.Type.numeric():
			v.i, v.f = -v.i, -v.f
			out = append(out, v)
		}
	}
	return out
}

func (t *Trace) binary(i int, b *Binary) []Value {
	if b.Op == "&&" || b.Op == "||" {
		return []Value{BoolValue(t.holds(i, b))}
	}
	left, right := t.eval(i, b.Left), t.eval(i, b.Right)
	if isNil(b.Left) || isNil(b.Right) {
		switch b.Op {
		case "=":
			return []Value{BoolValue(len(left) == 0 && len(right) == 0)}
		case "!=":
			return []Value{BoolValue(len(left) != 0 || len(right) != 0)}
		}
		return []Value{BoolValue(false)}
	}
	if arithmetic[b.Op] {
		var out []Value
		for _, l := range left {
			for _, r := range right {
				if v := calculate(b.Op, l, r); v.Type != TypeNil {
					out = append(out, v)
				}
			}
		}
		return out
	}
	for _, l := range left {
		for _, r := range right {
			if compareValues(b.Op, l, r, b.re) {
				return []Value{BoolValue(true)}
			}
		}
	}
	return []Value{BoolValue(false)}
}

func isNil(e Expr) bool {
	s, ok := e.(*Static)
	return ok && s.Value.Type == TypeNil
}

// compareValues is false for values of different types; numbers are of one.
func compareValues(op string, l, r Value, re *regex) bool {
	switch {
	case l.Type.numeric() && r.Type.numeric():
		if l.Type != TypeFloat && r.Type != TypeFloat {
			return ordered(op, l.i, r.i)
		}
		return ordered(op, l.Float(), r.Float())
	case l.Type != r.Type || l.Type == TypeOther:
		return false
	case l.Type == TypeString:
		switch op {
		case "=~":
			return re != nil && re.MatchString(l.s)
		case "!~":
			return re != nil && !re.MatchString(l.s)
		}
		return ordered(op, l.s, r.s)
	}
	return (op == "=" || op == "!=") && ordered(op, l.i, r.i)
}

func ordered[T int64 | float64 | string](op string, l, r T) bool {
	switch op {
	case "=":
		return l == r
	case "!=":
		return l != r
	case "<":
		return l < r
	case "<=":
		return l <= r
	case ">":
		return l > r
	case ">=":
		return l >= r
	}
	return false
}

// calculate is nil for what is no number: + - * and % of integers stay
// integers, of durations durations.
func calculate(op string, l, r Value) Value {
	if !l.Type.numeric() || !r.Type.numeric() {
		return Value{}
	}
	if l.Type != TypeFloat && r.Type != TypeFloat && op != "/" && op != "^" {
		v := Value{Type: TypeInt}
		if l.Type == TypeDuration || r.Type == TypeDuration {
			v.Type = TypeDuration
		}
		switch op {
		case "+":
			v.i = l.i + r.i
		case "-":
			v.i = l.i - r.i
		case "*":
			v.i = l.i * r.i
		case "%":
			if r.i == 0 || r.i == -1 {
				return Value{}
			}
			v.i = l.i % r.i
		}
		return v
	}
	a, b := l.Float(), r.Float()
	switch op {
	case "+":
		return FloatValue(a + b)
	case "-":
		return FloatValue(a - b)
	case "*":
		return FloatValue(a * b)
	case "/":
		if b == 0 {
			return Value{}
		}
		return FloatValue(a / b)
	case "%":
		if b == 0 {
			return Value{}
		}
		return FloatValue(math.Mod(a, b))
	}
	return FloatValue(math.Pow(a, b))
}
