package traceql

import (
	"slices"
)

const (
	maxLength = 64 << 10 // bytes of a query
	maxDepth  = 200      // of nesting
	maxOps    = 2000     // operators and stages of a query
)

// Parse parses and checks a query. Errors are *ParseError.
func Parse(text string) (*Query, error) {
	if len(text) > maxLength {
		return nil, errorAt(text, 0, "query of %d bytes is longer than the limit of %d", len(text), maxLength)
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	return q, nil
}

// ParseFilter parses a query that is a single spanset filter.
func ParseFilter(text string) (*Filter, error) {
	q, err := Parse(text)
	if err != nil {
		return nil, err
	}
	if len(q.Stages) == 1 && q.Metric == nil {
		if f, ok := q.Stages[0].(*Filter); ok {
			return f, nil
		}
	}
	return nil, errorAt(text, 0, "want a single spanset filter, as { ... }")
}

type parser struct {
	text   string
	tokens []token
	at     int
	depth  int
	ops    int
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokenEOF {
		p.at++
	}
	return t
}

func (p *parser) isOp(text string) bool {
	t := p.peek()
	return t.kind == tokenOp && t.text == text
}

func (p *parser) accept(op string) bool {
	if p.isOp(op) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(op string) *ParseError {
	if !p.accept(op) {
		return p.errorf("want %q before %s", op, p.peek())
	}
	return nil
}

func (p *parser) errorf(format string, args ...any) *ParseError {
	return errorAt(p.text, p.peek().at, format, args...)
}

// enter counts nesting; leave undoes it.
func (p *parser) enter() *ParseError {
	if p.depth++; p.depth > maxDepth {
		return p.errorf("nested deeper than %d", maxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// operator counts operators and stages.
func (p *parser) operator() *ParseError {
	if p.ops++; p.ops > maxOps {
		return p.errorf("more than %d operators", maxOps)
	}
	return nil
}

func (p *parser) query() (*Query, *ParseError) {
	q := &Query{}
	for {
		if p.atMetric() {
			m, err := p.metric()
			if err != nil {
				return nil, err
			}
			q.Metric = m
			break
		}
		s, err := p.stage(len(q.Stages) == 0)
		if err != nil {
			return nil, err
		}
		q.Stages = append(q.Stages, s)
		if !p.accept("|") {
			break
		}
	}
	if t := p.peek(); t.kind == tokenWord && t.text == "with" {
		if err := p.hints(q); err != nil {
			return nil, err
		}
	}
	if p.peek().kind != tokenEOF {
		return nil, p.errorf("unexpected %s", p.peek())
	}
	return q, nil
}

// stage parses one stage of a pipeline.
func (p *parser) stage(first bool) (Stage, *ParseError) {
	if err := p.operator(); err != nil {
		return nil, err
	}
	t := p.peek()
	if t.kind == tokenWord {
		switch t.text {
		case "by":
			p.next()
			e, err := p.argument()
			if err != nil {
				return nil, err
			}
			if !references(e) {
				return nil, errorAt(p.text, t.at, "by(%s) groups by what is the same for every span: name a field", e)
			}
			return &GroupBy{e}, nil
		case "coalesce":
			p.next()
			if first {
				return nil, errorAt(p.text, t.at, "a pipeline can't begin with coalesce()")
			}
			if err := p.empty(); err != nil {
				return nil, err
			}
			return &Coalesce{}, nil
		case "select":
			p.next()
			fields, err := p.fieldList()
			return &Select{fields}, err
		}
	}
	if p.atSpanset() {
		return p.spanset(0)
	}
	return p.scalarFilter()
}

// atSpanset tells a spanset expression from a scalar one: both may begin with
// parentheses.
func (p *parser) atSpanset() bool {
	i := p.at
	for p.tokens[i].kind == tokenOp && p.tokens[i].text == "(" {
		i++
	}
	t := p.tokens[i]
	if t.kind == tokenOp && t.text == "{" {
		return true
	}
	return i > p.at && t.kind == tokenWord && (t.text == "by" || t.text == "select")
}

// spansetPrecedence is of the operators between spansets; all group to the
// left.
func spansetPrecedence(t token) int {
	if t.kind != tokenOp {
		return 0
	}
	switch t.text {
	case "&&", "||":
		return 1
	case ">", "<", ">>", "<<", "~", "!>", "!<", "!>>", "!<<", "!~", "&>", "&<", "&>>", "&<<", "&~":
		return 2
	}
	return 0
}

func (p *parser) spanset(above int) (Stage, *ParseError) {
	left, err := p.spansetOperand()
	if err != nil {
		return nil, err
	}
	for {
		op := p.peek()
		prec := spansetPrecedence(op)
		if prec <= above {
			return left, nil
		}
		p.next()
		if err := p.operator(); err != nil {
			return nil, err
		}
		right, err := p.spanset(prec)
		if err != nil {
			return nil, err
		}
		left = &SpansetOp{op.text, left, right}
	}
}

func (p *parser) spansetOperand() (Stage, *ParseError) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	switch {
	case p.accept("{"):
		return p.filter()
	case p.accept("("):
		var stages []Stage
		for {
			s, err := p.stage(len(stages) == 0)
			if err != nil {
				return nil, err
			}
			stages = append(stages, s)
			if p.accept("|") {
				continue
			}
			if err := p.expect(")"); err != nil {
				return nil, err
			}
			if len(stages) == 1 {
				switch stages[0].(type) {
				case *Filter, *SpansetOp, *Pipeline:
					return stages[0], nil
				}
			}
			return &Pipeline{stages}, nil
		}
	}
	return nil, p.errorf("want a spanset, { ... }, before %s", p.peek())
}

// filter parses what follows "{".
func (p *parser) filter() (Stage, *ParseError) {
	if p.accept("}") {
		return &Filter{&Static{BoolValue(true)}}, nil
	}
	at := p.peek().at
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if t := e.Type(); t != TypeBool && t != TypeUnknown {
		return nil, errorAt(p.text, at, "the condition %s is no bool but %s", e, t)
	}
	if err := p.expect("}"); err != nil {
		return nil, err
	}
	return &Filter{e}, nil
}

// argument parses one expression in parentheses.
func (p *parser) argument() (Expr, *ParseError) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	return e, p.expect(")")
}

func (p *parser) empty() *ParseError {
	if err := p.expect("("); err != nil {
		return err
	}
	return p.expect(")")
}

// fieldList parses fields in parentheses.
func (p *parser) fieldList() ([]Field, *ParseError) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var fields []Field
	for {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
		if !p.accept(",") {
			return fields, p.expect(")")
		}
	}
}

func (p *parser) field() (Field, *ParseError) {
	switch t := p.peek(); t.kind {
	case tokenAttribute:
		p.next()
		return t.field, nil
	case tokenWord:
		if f, ok := intrinsic(t.text); ok {
			p.next()
			return f, nil
		}
	}
	return Field{}, p.errorf("want an attribute, such as span.name or .name, or an intrinsic before %s", p.peek())
}

// metricFuncs are the metrics, with whether they need a field.
var metricFuncs = map[string]bool{
	"rate": false, "count_over_time": false, "min_over_time": true, "max_over_time": true,
	"avg_over_time": true, "sum_over_time": true, "quantile_over_time": true, "histogram_over_time": true,
}

func (p *parser) atMetric() bool {
	t := p.peek()
	_, ok := metricFuncs[t.text]
	return ok && t.kind == tokenWord
}

func (p *parser) metric() (*Metric, *ParseError) {
	m := &Metric{Func: p.next().text}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if metricFuncs[m.Func] {
		f, err := p.field()
		if err != nil {
			return nil, err
		}
		m.Field = &f
	}
	for m.Func == "quantile_over_time" && p.accept(",") {
		t := p.next()
		if t.kind != tokenValue || t.value.Type != TypeInt && t.value.Type != TypeFloat || t.value.Float() < 0 || t.value.Float() > 1 {
			return nil, errorAt(p.text, t.at, "want a quantile between 0 and 1, not %s", t)
		}
		m.Quantiles = append(m.Quantiles, t.value.Float())
	}
	if m.Func == "quantile_over_time" && len(m.Quantiles) == 0 {
		return nil, p.errorf("quantile_over_time needs quantiles, as in quantile_over_time(duration, 0.9)")
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind == tokenWord && t.text == "by" {
		p.next()
		by, err := p.fieldList()
		if err != nil {
			return nil, err
		}
		m.By = by
	}
	return m, nil
}

func (p *parser) hints(q *Query) *ParseError {
	p.next()
	if err := p.expect("("); err != nil {
		return err
	}
	for {
		name, equals, value := p.next(), p.next(), p.next()
		if name.kind != tokenWord || equals.kind != tokenOp || equals.text != "=" {
			return errorAt(p.text, name.at, "want hints, as with(name=value)")
		}
		v, ok := value.value, value.kind == tokenValue
		if value.kind == tokenWord {
			v, ok = keywordValue(value.text)
		}
		if !ok {
			return errorAt(p.text, value.at, "want a constant for the hint %s, not %s", name.text, value)
		}
		q.Hints = append(q.Hints, Hint{name.text, v})
		if !p.accept(",") {
			return p.expect(")")
		}
	}
}

// keywordValue is the constant that a word stands for.
func keywordValue(word string) (Value, bool) {
	switch word {
	case "true", "false":
		return BoolValue(word == "true"), true
	case "nil":
		return Value{}, true
	}
	if i := slices.Index(statusNames, word); i >= 0 {
		return Value{Type: TypeStatus, i: int64(i)}, true
	}
	if i := slices.Index(kindNames, word); i >= 0 {
		return Value{Type: TypeKind, i: int64(i)}, true
	}
	return Value{}, false
}
