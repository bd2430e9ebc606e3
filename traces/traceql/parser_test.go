package traceql

import (
	"strings"
	"testing"
)

// valid queries with the form that they are printed in, empty = as written.
var valid = []struct{ in, out string }{
	{"{}", "{ }"},
	{"{ true }", "{ }"},
	{"{ .a }", "{ .a }"},
	{`{ .http.status_code >= 500 && resource.service.name = "cart" }`, `{ ((.http.status_code >= 500) && (resource.service.name = "cart")) }`},
	{`{ name =~ "GET .*" || name !~ "x" && status = error }`, `{ (((name =~ "GET .*") || (name !~ "x")) && (status = error)) }`},
	{"{ duration > 1.5s }", "{ (duration > 1500000000ns) }"},
	{"{ duration > 1h30m && span:duration < 2d }", "{ ((duration > 5400000000000ns) && (duration < 172800000000000ns)) }"},
	{"{ kind = server && status != unset }", "{ ((kind = server) && (status != unset)) }"},
	{`{ span."attr with space".x = "" }`, `{ (span."attr with space.x" = "") }`},
	{"{ .foo-bar/baz = 1 }", "{ (.foo-bar/baz = 1) }"},
	{"{ .a = nil || .b != nil }", "{ ((.a = nil) || (.b != nil)) }"},
	{"{ -.a + 1 * 2 ^ 3 ^ 2 = -2 }", "{ (((-.a) + (1 * (2 ^ (3 ^ 2)))) = (-2)) }"},
	{"{ !(.a = 1) }", "{ (!(.a = 1)) }"},
	{"{ !.a = false }", "{ ((!.a) = false) }"},
	{"{ parent.span.a = 1 && parent.b = 2 && parent.resource.c = 3 }", "{ (((parent.span.a = 1) && (parent.b = 2)) && (parent.resource.c = 3)) }"},
	{`{ trace:rootService = "a" && rootServiceName = "b" && trace:id = "1" }`, `{ (((rootServiceName = "a") && (rootServiceName = "b")) && (trace:id = "1")) }`},
	{`{ event:name = "exception" && event.exception.type = "x" && link:spanID != "" && instrumentation:name = "lib" }`,
		`{ ((((event:name = "exception") && (event.exception.type = "x")) && (link:spanID != "")) && (instrumentation:name = "lib")) }`},
	{"{ nestedSetParent<0 && true }", "{ ((nestedSetParent < 0) && true) }"},
	{"{ .a } && { .b } > { .c } || { .d }", "(({ .a } && ({ .b } > { .c })) || { .d })"},
	{"({ .a } || { .b }) >> { .c } &>> { .d }", "((({ .a } || { .b }) >> { .c }) &>> { .d })"},
	{"{ .a } !~ { .b } ~ { .c } !>> { .d } !< { .e }", "(((({ .a } !~ { .b }) ~ { .c }) !>> { .d }) !< { .e })"},
	{"{ .a } | count() > 2", ""},
	{"{ } | by(name) | avg(duration) > 1s | { status = error }", "{ } | by(name) | avg(duration) > 1000000000ns | { (status = error) }"},
	{"{ } | by(1 + .a) | coalesce()", "{ } | by((1 + .a)) | coalesce()"},
	{"count() = 1 | { true }", "count() = 1 | { }"},
	{"{ } | max(.a) + min(.a) * 2 <= -3", "{ } | (max(.a) + (min(.a) * 2)) <= -3"},
	{"({ .a } | count() > 1 | { .b }) && ({ .c })", "(({ .a } | count() > 1 | { .b }) && { .c })"},
	{"{ } | select(.a, span.b, name)", ""},
	{"({ } | select(.a)) | { .b }", "({ } | select(.a)) | { .b }"},
	{"{ } | rate()", ""},
	{"{ status = error } | rate() by(resource.service.name, name) with(sample=true)", "{ (status = error) } | rate() by(resource.service.name, name) with(sample=true)"},
	{"{ } | quantile_over_time(duration, 0, 0.9, 1) by (span.x)", "{ } | quantile_over_time(duration, 0, 0.9, 1) by(span.x)"},
	{"{ } | histogram_over_time(duration)", ""},
	{"{ } with(most_recent=true, n=1)", ""},
	{"{ .a = \"tab\\t\" && .b = `raw\\` }", `{ ((.a = "tab\t") && (.b = "raw\\")) }`},
	{`{ .http.status >= "200" }`, `{ (.http.status >= "200") }`},
	{"{ 1 <= 1.1 && .5 < 1e3 }", "{ ((1 <= 1.1) && (0.5 < 1000.0)) }"},
	{`{ .日本 = "語" }`, `{ (.日本 = "語") }`},
}

func TestParse(t *testing.T) {
	for _, c := range valid {
		q, err := Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		want := c.out
		if want == "" {
			want = c.in
		}
		if got := q.String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "1:1: want a spanset"},
		{"true", "1:1: want a spanset"},
		{"{ .a = 1", "1:9: want \"}\" before the end"},
		{"{ . }", "1:4: an attribute's name is missing"},
		{"{ span. }", "1:8: an attribute's name is missing"},
		{"{ foo = 1 }", "1:3: unknown word \"foo\": to name an attribute, write span.foo"},
		{"{ foo.bar = 1 }", "1:3: unknown scope \"foo\""},
		{"{ trace:kind = server }", "1:3: unknown intrinsic \"trace:kind\""},
		{"{ span:rootName = \"x\" }", "unknown intrinsic \"span:rootName\""},
		{"{ .a == 1 }", "1:7: want a value or a field, not \"=\""},
		{"{ .a < }", "want a value or a field, not \"}\""},
		{"{ 1 + 1 }", "1:3: the condition (1 + 1) is no bool but int"},
		{"{ name }", "is no bool but string"},
		{"{ 1 = \"a\" }", "1:5: types differ: int = string"},
		{"{ status > ok }", "1:10: > can't be used with status"},
		{"{ 1 && .a }", "&& can't be used with int"},
		{"{ duration = \"x\" }", "types differ: duration = string"},
		{"{ .a =~ \"[\" }", "1:6: cannot read the regular expression"},
		{"{ .a =~ .b }", "needs a pattern"},
		{"{ .a =~ 2 }", "can't be used with int"},
		{"{ -\"foo\" = \"bar\" }", "- can't be applied to \"foo\""},
		{"{ !1 = 1 }", "! can't be applied to 1"},
		{"{ .a } + { .b }", "1:8: unexpected \"+\""},
		{"{ .a } | count()", "want a comparison of count()"},
		{"{ .a } | count = 1", "want \"(\""},
		{"{ .a } | sum(3) = 2", "does not depend on the spans"},
		{"{ .a } | max(name) = 1", "needs numbers, not string"},
		{"{ .a } | 1 = 1", "does not depend on the spans"},
		{"{ .a } | by(1)", "the same for every span"},
		{"coalesce() | { .a }", "can't begin with coalesce()"},
		{"{ } | select()", "want an attribute"},
		{"{ } | quantile_over_time(duration)", "needs quantiles"},
		{"{ } | quantile_over_time(duration, 2)", "between 0 and 1"},
		{"{ .a = \"x }", "1:8: string is not closed"},
		{"{ .a = 12abc }", "1:8: cannot read \"12abc\""},
		{"{\n  .a = $ }", "2:8: unexpected character '$'"},
		{"{ } | rate() | { }", "unexpected \"|\""},
		{strings.Repeat("(", 1000), "nested deeper than"},
		{"{ " + strings.Repeat("!", 1000) + ".a }", "nested deeper than"},
		{"{ .a = 1" + strings.Repeat(" + 1", 3000) + "}", "more than 2000 operators"},
		{"{ }" + strings.Repeat(" | { }", 3000), "more than 2000 operators"},
		{strings.Repeat("x", maxLength+1), "longer than the limit"},
	} {
		_, err := Parse(c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: got %v, want %q", c.in, err, c.want)
		}
	}
}

func TestParseField(t *testing.T) {
	for in, want := range map[string]string{
		"span.a": "span.a", ".service.name": ".service.name", "resource.x": "resource.x", "status": "status", "span:status": "status",
		"event.exception.message": "event.exception.message", "instrumentation:name": "instrumentation:name",
	} {
		f, err := ParseField(in)
		if err != nil || f.String() != want {
			t.Errorf("%s: %v, %v", in, f, err)
		}
	}
	for _, in := range []string{"", "service.name", "x", "span.a span.b", "{", "1"} {
		if _, err := ParseField(in); err == nil {
			t.Errorf("%q is accepted", in)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range valid {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			return
		}
		printed := q.String()
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("%q is printed as %q, which is refused: %v", text, printed, err)
		}
		if again.String() != printed {
			t.Fatalf("%q is printed as %q and then as %q", text, printed, again)
		}
		again.Eval(NewTrace(shop()), nil)
	})
}
