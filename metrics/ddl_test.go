package metrics

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestDDL(t *testing.T) {
	for _, tt := range []struct {
		file    string
		flavour storage.Flavour
	}{
		{"single.sql", storage.Flavour{}},
		{"cluster.sql", storage.Flavour{Cluster: "watchfire"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var b strings.Builder
			for _, m := range Migrations() {
				for _, s := range m.Statements(tt.flavour) {
					b.WriteString(s + ";\n\n")
				}
			}
			path := filepath.Join("testdata", "ddl", tt.file)
			if *update {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), b.String())
		})
	}
}
