package storage

import "strings"

// literalEscapes are the escapes of ClickHouse's string literals.
var literalEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\x00", `\0`, "\b", `\b`, "\f", `\f`)

// String quotes s as a ClickHouse string literal.
func String(s string) string { return "'" + literalEscapes.Replace(s) + "'" }

// Ident quotes s as a ClickHouse identifier.
func Ident(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}

// Strings quotes ss as a parenthesised list of string literals.
func Strings(ss []string) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, s := range ss {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(String(s))
	}
	b.WriteByte(')')
	return b.String()
}
