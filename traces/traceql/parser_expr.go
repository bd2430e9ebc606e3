package traceql

import "strings"

// precedence of the operators within a spanset filter, as in Tempo's grammar:
// && and || are equal.
func precedence(t token) int {
	if t.kind != tokenOp {
		return 0
	}
	switch t.text {
	case "&&", "||":
		return 1
	case "=", "!=", "<", "<=", ">", ">=", "=~", "!~":
		return 2
	case "+", "-":
		return 3
	case "*", "/", "%":
		return 5
	case "^":
		return 6
	}
	return 0
}

const prefixPrecedence = 4 // of "!" and "-"

// expr parses operators that bind tighter than above.
func (p *parser) expr(above int) (Expr, *ParseError) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		op := p.peek()
		prec := precedence(op)
		if prec <= above {
			return left, nil
		}
		p.next()
		below := prec
		if op.text == "^" {
			below-- // groups to the right
		}
		if err := p.operator(); err != nil {
			return nil, err
		}
		right, err := p.expr(below)
		if err != nil {
			return nil, err
		}
		b := newBinary(op.text, left, right)
		if err := p.checkBinary(op, b); err != nil {
			return nil, err
		}
		left = b
	}
}

func (p *parser) operand() (Expr, *ParseError) {
	t := p.next()
	switch {
	case t.kind == tokenValue:
		return &Static{t.value}, nil
	case t.kind == tokenAttribute:
		return &FieldRef{t.field}, nil
	case t.kind == tokenWord:
		if f, ok := intrinsic(t.text); ok {
			return &FieldRef{f}, nil
		}
		if v, ok := keywordValue(t.text); ok {
			return &Static{v}, nil
		}
		if strings.Contains(t.text, ":") {
			return nil, errorAt(p.text, t.at, "unknown intrinsic %s", t)
		}
		return nil, errorAt(p.text, t.at, "unknown word %s: to name an attribute, write span.%s, resource.%s or .%s", t, t.text, t.text, t.text)
	case t.kind == tokenOp && t.text == "(":
		e, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case t.kind == tokenOp && (t.text == "-" || t.text == "!"):
		x, err := p.expr(prefixPrecedence)
		if err != nil {
			return nil, err
		}
		if typ := x.Type(); typ != TypeUnknown && (t.text == "-" && !typ.numeric() || t.text == "!" && typ != TypeBool) {
			return nil, errorAt(p.text, t.at, "%s can't be applied to %s, which is %s", t.text, x, typ)
		}
		return newUnary(t.text, x), nil
	}
	return nil, errorAt(p.text, t.at, "want a value or a field, not %s", t)
}

// checkBinary refuses operands that can never fit.
func (p *parser) checkBinary(op token, b *Binary) *ParseError {
	l, r := b.Left.Type(), b.Right.Type()
	for _, t := range []Type{l, r} {
		if !operandFits(b.Op, t) {
			return errorAt(p.text, op.at, "%s can't be used with %s, in %s", b.Op, t, b)
		}
	}
	if !typesMatch(l, r) {
		return errorAt(p.text, op.at, "types differ: %s %s %s, in %s", l, b.Op, r, b)
	}
	if b.Op != "=~" && b.Op != "!~" {
		return nil
	}
	pattern, ok := b.Right.(*Static)
	if !ok || pattern.Value.Type != TypeString {
		return errorAt(p.text, op.at, "%s needs a pattern, a string, on its right", b.Op)
	}
	re, err := newRegex(pattern.Value.Str())
	if err != nil {
		return errorAt(p.text, op.at, "cannot read the regular expression %s: %v", pattern, err)
	}
	b.re = re
	return nil
}

func operandFits(op string, t Type) bool {
	if t == TypeUnknown {
		return true
	}
	switch op {
	case "&&", "||":
		return t == TypeBool
	case "=", "!=":
		return true
	case "=~", "!~":
		return t == TypeString
	case "<", "<=", ">", ">=":
		return t.numeric() || t == TypeString
	}
	return t.numeric()
}

func typesMatch(l, r Type) bool {
	return l == r || l == TypeUnknown || r == TypeUnknown || l == TypeNil || r == TypeNil || l.numeric() && r.numeric()
}

// references reports whether e names a field.
func references(e Expr) bool {
	found := false
	walkExpr(e, func(e Expr) {
		if _, ok := e.(*FieldRef); ok {
			found = true
		}
	})
	return found
}

// scalarFilter parses a comparison of scalars.
func (p *parser) scalarFilter() (Stage, *ParseError) {
	at := p.peek().at
	left, err := p.scalar(0)
	if err != nil {
		return nil, err
	}
	op := p.next()
	if op.kind != tokenOp || precedence(op) != 2 || op.text == "=~" || op.text == "!~" {
		return nil, errorAt(p.text, op.at, "want a comparison of %s, such as %s > 2, before %s", left, left, op)
	}
	right, err := p.scalar(0)
	if err != nil {
		return nil, err
	}
	if !aggregates(left) && !aggregates(right) {
		return nil, errorAt(p.text, at, "%s %s %s does not depend on the spans: use count(), avg(duration), ...", left, op.text, right)
	}
	return &ScalarFilter{op.text, left, right}, nil
}

func (p *parser) scalar(above int) (Scalar, *ParseError) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.scalarOperand()
	if err != nil {
		return nil, err
	}
	for {
		op := p.peek()
		prec := precedence(op)
		if prec <= max(above, 2) {
			return left, nil
		}
		p.next()
		below := prec
		if op.text == "^" {
			below--
		}
		if err := p.operator(); err != nil {
			return nil, err
		}
		right, err := p.scalar(below)
		if err != nil {
			return nil, err
		}
		left = &ScalarOp{op.text, left, right}
	}
}

func (p *parser) scalarOperand() (Scalar, *ParseError) {
	t := p.next()
	switch {
	case t.kind == tokenValue && t.value.Type.numeric():
		return &Static{t.value}, nil
	case t.kind == tokenOp && t.text == "-" && p.peek().kind == tokenValue && p.peek().value.Type.numeric():
		v := p.next().value
		v.i, v.f = -v.i, -v.f
		return &Static{v}, nil
	case t.kind == tokenOp && t.text == "(":
		s, err := p.scalar(0)
		if err != nil {
			return nil, err
		}
		return s, p.expect(")")
	case t.kind == tokenWord && t.text == "count":
		return &Aggregate{Func: "count"}, p.empty()
	case t.kind == tokenWord && (t.text == "min" || t.text == "max" || t.text == "avg" || t.text == "sum"):
		e, err := p.argument()
		if err != nil {
			return nil, err
		}
		if typ := e.Type(); !typ.numeric() && typ != TypeUnknown {
			return nil, errorAt(p.text, t.at, "%s(%s) needs numbers, not %s", t.text, e, typ)
		}
		if !references(e) {
			return nil, errorAt(p.text, t.at, "%s(%s) does not depend on the spans: name a field", t.text, e)
		}
		return &Aggregate{t.text, e}, nil
	}
	return nil, errorAt(p.text, t.at, "want a spanset such as { status = error }, or an aggregate such as count(), not %s", t)
}

func aggregates(s Scalar) bool {
	switch s := s.(type) {
	case *Aggregate:
		return true
	case *ScalarOp:
		return aggregates(s.Left) || aggregates(s.Right)
	}
	return false
}
