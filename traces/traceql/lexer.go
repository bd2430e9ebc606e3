package traceql

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/common/model"
)

// ParseError is a query that can't be understood, with the place.
type ParseError struct {
	Line, Column int // from 1; the column counts characters
	Message      string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("TraceQL %d:%d: %s", e.Line, e.Column, e.Message)
}

// HTTPStatus makes it the client's mistake.
func (e *ParseError) HTTPStatus() int { return 400 }

func errorAt(text string, offset int, format string, args ...any) *ParseError {
	before := text[:min(offset, len(text))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return &ParseError{Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
}

type tokenKind uint8

const (
	tokenEOF       tokenKind = iota
	tokenOp                  // text is the operator, bracket or comma
	tokenWord                // a keyword or intrinsic: text, such as name, trace:id
	tokenAttribute           // field
	tokenValue               // value
)

type token struct {
	kind  tokenKind
	at    int // byte offset
	text  string
	field Field
	value Value
}

func (t token) String() string {
	if t.kind == tokenEOF {
		return "the end"
	}
	return strconv.Quote(t.text)
}

// operators, longest first.
var operators = []string{
	"&>>", "&<<", "!>>", "!<<",
	"&&", "||", ">>", "<<", ">=", "<=", "!=", "=~", "!~", "!>", "!<", "&>", "&<", "&~",
	"{", "}", "(", ")", ",", "|", "=", ">", "<", "~", "!", "+", "-", "*", "/", "%", "^",
}

// lex splits a query.
func lex(text string) ([]token, *ParseError) {
	l := lexer{text: text}
	var out []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		t.text = text[t.at:l.at]
		out = append(out, t)
		if t.kind == tokenEOF {
			return out, nil
		}
	}
}

type lexer struct {
	text string
	at   int
}

func (l *lexer) rest() string { return l.text[l.at:] }

func (l *lexer) next() (token, *ParseError) {
	for l.at < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.rest())
		if !unicode.IsSpace(r) {
			break
		}
		l.at += n
	}
	t := token{at: l.at}
	if l.at == len(l.text) {
		return t, nil
	}
	c := l.text[l.at]
	switch {
	case c == '"' || c == '`':
		return l.quoted(t)
	case c >= '0' && c <= '9':
		return l.number(t)
	case c == '.':
		if len(l.rest()) > 1 && l.text[l.at+1] >= '0' && l.text[l.at+1] <= '9' {
			return l.number(t)
		}
		l.at++
		return l.attribute(t, ScopeAny)
	case wordByte(c):
		return l.word(t)
	}
	for _, op := range operators {
		if strings.HasPrefix(l.rest(), op) {
			l.at += len(op)
			t.kind = tokenOp
			return t, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.rest())
	return t, errorAt(l.text, l.at, "unexpected character %q", r)
}

func (l *lexer) quoted(t token) (token, *ParseError) {
	quoted, err := strconv.QuotedPrefix(l.rest())
	if err != nil {
		return t, errorAt(l.text, l.at, "string is not closed, or has an unknown escape")
	}
	s, err := strconv.Unquote(quoted)
	if err != nil {
		return t, errorAt(l.text, l.at, "cannot read string %s: %v", quoted, err)
	}
	l.at += len(quoted)
	t.kind, t.value = tokenValue, StringValue(s)
	return t, nil
}

// number reads an integer, a float, or a duration in Prometheus' units or
// Go's.
func (l *lexer) number(t token) (token, *ParseError) {
	n := 0
	for n < len(l.rest()) {
		c := l.rest()[n]
		exponent := (c == '+' || c == '-') && n > 0 && (l.rest()[n-1] == 'e' || l.rest()[n-1] == 'E')
		if !wordByte(c) && c != '.' && c < 0x80 && !exponent {
			break
		}
		n++
	}
	s := l.rest()[:n]
	l.at += n
	t.kind = tokenValue
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		t.value = IntValue(i)
		return t, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		t.value = FloatValue(f)
		return t, nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		t.value = DurationValue(int64(d))
		return t, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		t.value = DurationValue(int64(d))
		return t, nil
	}
	return t, errorAt(l.text, t.at, "cannot read %q: want a number, or a duration such as 100ms", s)
}

// word reads a keyword, an intrinsic with or without its scope, or a scope
// with an attribute.
func (l *lexer) word(t token) (token, *ParseError) {
	l.skipWord()
	t.kind = tokenWord
	word := l.text[t.at:l.at]
	if l.at == len(l.text) {
		return t, nil
	}
	scope, isScope := scopes[word]
	switch l.text[l.at] {
	case '.':
		if word == "parent" {
			l.at++
			return l.parent(t)
		}
		if !isScope {
			return t, errorAt(l.text, t.at, "unknown scope %q: use span, resource, event, link, instrumentation or parent, or put a dot before the name", word)
		}
		l.at++
		return l.attribute(t, scope)
	case ':':
		l.at++
		l.skipWord()
	}
	return t, nil
}

// parent reads what follows "parent.": an attribute, with or without scope.
func (l *lexer) parent(t token) (token, *ParseError) {
	scope := ScopeAny
	for _, s := range []Scope{ScopeSpan, ScopeResource} {
		if strings.HasPrefix(l.rest(), s.String()+".") {
			scope = s
			l.at += len(s.String()) + 1
			break
		}
	}
	t, err := l.attribute(t, scope)
	t.field.Parent = true
	return t, err
}

// attribute reads an attribute's name, parts of which may be quoted.
func (l *lexer) attribute(t token, scope Scope) (token, *ParseError) {
	var name strings.Builder
	for l.at < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.rest())
		if unicode.IsSpace(r) || strings.ContainsRune("{}()=~!<>&|^,", r) {
			break
		}
		if r == '"' {
			quoted, err := strconv.QuotedPrefix(l.rest())
			if err != nil {
				return t, errorAt(l.text, l.at, "quoted part of an attribute's name is not closed, or has an unknown escape")
			}
			s, err := strconv.Unquote(quoted)
			if err != nil {
				return t, errorAt(l.text, l.at, "cannot read the name %s: %v", quoted, err)
			}
			name.WriteString(s)
			l.at += len(quoted)
			continue
		}
		name.WriteRune(r)
		l.at += n
	}
	if name.Len() == 0 {
		return t, errorAt(l.text, l.at, "an attribute's name is missing")
	}
	t.kind, t.field = tokenAttribute, Field{Scope: scope, Name: name.String()}
	return t, nil
}

func (l *lexer) skipWord() {
	for l.at < len(l.text) && wordByte(l.text[l.at]) {
		l.at++
	}
}

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
