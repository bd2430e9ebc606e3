package logs

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage"
)

func TestTablesInBothFlavours(t *testing.T) {
	for name, f := range map[string]storage.Flavour{"single.sql": {}, "cluster.sql": {Cluster: "watchfire"}} {
		var all []string
		for _, m := range Migrations() {
			all = append(all, m.Statements(f)...)
		}
		golden(t, name, strings.Join(all, ";\n\n")+";\n")
	}
}

func TestDaysAreClamped(t *testing.T) {
	require.Equal(t, day(0), dayAt(-1))
	require.Equal(t, day(1), dayAt(nsPerDay))
	require.Equal(t, day(65535), dayAt(1<<63-1)) // 2262 is farther than a Date goes
}
