package logs

import (
	"slices"
	"strings"

	"github.com/watchfire/watchfire/storage"
)

// minPiece is the shortest run of letters and digits worth asking the text
// index for: ClickHouse's text_index_like_min_pattern_length.
const minPiece = 4

// maxPieces is how many runs of a needle are looked up: the longest ones are
// the rarest, and each costs a search of the index.
const maxPieces = 3

// containsSQL is the condition that column contains needle, byte by byte, as
// strings.Contains has it. ClickHouse's text index (tokenizer splitByNonAlpha)
// knows whole tokens and serves LIKE '%x%' only when x has no separator in it,
// so every run of token characters in the needle is a condition of its own:
// hasToken when the needle shows both of its ends, LIKE when the token may go
// on in the line. They follow from the needle and so never exclude a line.
func containsSQL(column, needle string) string {
	if isToken(needle) {
		return column + " LIKE " + storage.String("%"+needle+"%")
	}
	conds := []string{"position(" + column + ", " + storage.String(needle) + ") > 0"}
	return strings.Join(append(conds, pieceConditions(column, needle)...), " AND ")
}

// pieceConditions are the conditions that follow from column containing
// needle and that the text index serves.
func pieceConditions(column, needle string) (conds []string) {
	for _, p := range pieces(needle) {
		if p.whole {
			conds = append(conds, "hasToken("+column+", "+storage.String(p.text)+")")
		} else {
			conds = append(conds, column+" LIKE "+storage.String("%"+p.text+"%"))
		}
	}
	return conds
}

// piece is a run of token characters in a needle.
type piece struct {
	text  string
	whole bool // the needle shows what is before and behind it
}

// pieces returns the longest runs of a needle, in the needle's order.
func pieces(needle string) []piece {
	var all []piece
	for i := 0; i < len(needle); {
		if !tokenByte(needle[i]) {
			i++
			continue
		}
		end := i
		for end < len(needle) && tokenByte(needle[end]) {
			end++
		}
		if end-i >= minPiece {
			all = append(all, piece{needle[i:end], i > 0 && end < len(needle)})
		}
		i = end
	}
	if len(all) <= maxPieces {
		return all
	}
	byLength := slices.Clone(all)
	slices.SortStableFunc(byLength, func(a, b piece) int { return len(b.text) - len(a.text) })
	shortest := len(byLength[maxPieces-1].text)
	all = slices.DeleteFunc(all, func(p piece) bool { return len(p.text) < shortest })
	return all[:min(len(all), maxPieces)]
}

// isToken reports whether s is nothing but token characters.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// tokenByte reports whether splitByNonAlpha counts a byte as part of a token:
// ASCII letters and digits, and every byte beyond ASCII.
func tokenByte(c byte) bool {
	return c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
